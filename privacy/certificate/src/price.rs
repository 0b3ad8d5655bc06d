//! The price of a certificate, recomputed: nobody's arithmetic is believed, least of all the planner's.

use salus_accounting::{Delta, Loss, Rational, rho_of};

use crate::{Aggregate, Bounds, Certificate, CertificateError, Mechanism, MechanismKind, Step};

/// Rules that a step may name (rule P1).
const STEP_RULES: [&str; 7] = ["S0", "S0p", "S1", "S2", "S3", "S4", RELEASE];
const RELEASE: &str = "RELEASE";

/// Scans of private and of public tables.
const SCANS: [&str; 2] = ["S0", "S0p"];

impl Certificate {
    /// Checks rules P1 to P4 and returns the sum of P5: the loss that the ledger books.
    ///
    /// # Guarantee
    ///
    /// A loss is returned only if every sensitivity follows from the stated bounds and every price from sensitivity and noise,
    /// in exact rationals rounded up. That the bounds were executed is for the engine to see to.
    ///
    /// # Errors
    ///
    /// [`CertificateError::Rule`] with the first rule that fails.
    pub fn price(&self) -> Result<Loss, CertificateError> {
        self.check_steps()?;
        let mut total = Loss::ZERO;
        for (position, mechanism) in self.mechanisms.iter().enumerate() {
            let loss = mechanism.price(&self.bounds, position)?;
            total = total
                .checked_add(loss)
                .ok_or_else(|| broken("P5", "the sum of the losses does not fit"))?;
        }
        if total.rho.units() == 0 {
            return Err(broken("P5", "a release costs more than nothing"));
        }
        Ok(total)
    }

    fn check_steps(&self) -> Result<(), CertificateError> {
        let Some((release, before)) = self.steps.split_last() else {
            return Err(broken("P1", "there is no step"));
        };
        for (position, step) in self.steps.iter().enumerate() {
            self.check_step(position, step)?;
        }
        if release.rule != RELEASE || before.iter().any(|step| step.rule == RELEASE) {
            return Err(broken("P1", "the last step, and no other, is the release"));
        }
        if release.rows != self.bounds.rows_per_person {
            return Err(broken(
                "P1",
                "the release does not carry the bound on rows per person",
            ));
        }
        Ok(())
    }

    fn check_step(&self, position: usize, step: &Step) -> Result<(), CertificateError> {
        let fails = |rule, what: &str| Err(broken(rule, &format!("step {position}: {what}")));
        if !STEP_RULES.contains(&step.rule.as_str()) {
            return fails("P1", "the rule is not a known one");
        }
        let mut inputs = Vec::with_capacity(step.inputs.len());
        for input in &step.inputs {
            match usize::try_from(*input)
                .ok()
                .filter(|input| *input < position)
                .and_then(|input| self.steps.get(input))
            {
                Some(earlier) => inputs.push(earlier),
                None => return fails("P1", "an input is not an earlier step"),
            }
        }
        if SCANS.contains(&step.rule.as_str()) {
            if step.table.is_none() || !inputs.is_empty() {
                return fails("P1", "a scan names a table and reads no step");
            }
        } else if step.table.is_some() || inputs.is_empty() {
            return fails(
                "P1",
                "every step but a scan reads at least one step and names no table",
            );
        }
        if matches!(step.rule.as_str(), "S1" | "S4") {
            let [input] = inputs.as_slice() else {
                return fails("P2", "a filter, projection or aggregate has one input");
            };
            if input.rows != 0 && (step.rows == 0 || step.rows > input.rows) {
                return fails(
                    "P2",
                    "the operator claims more rows of a person than its input has",
                );
            }
        }
        Ok(())
    }
}

impl Mechanism {
    /// Discrete Gaussian noise of scale `sigma` on an aggregate that one row changes by at most `bound` grid units,
    /// priced under `bounds`.
    ///
    /// # Errors
    ///
    /// [`CertificateError::Rule`] if the aggregate does not allow this bound, or if the price does not fit.
    pub fn discrete_gaussian(
        aggregate: Aggregate,
        bound: u64,
        bounds: &Bounds,
        sigma: Rational,
    ) -> Result<Self, CertificateError> {
        let sensitivity2 =
            sensitivity2(aggregate, bound, bounds).map_err(|what| broken("P3", what))?;
        let rho = rho_of(&sensitivity2, &sigma)
            .ok_or_else(|| broken("P4", "sigma is zero or the price does not fit"))?;
        Ok(Self {
            kind: MechanismKind::DiscreteGaussian,
            aggregate,
            bound,
            sensitivity2,
            sigma,
            rho,
            delta: Delta::ZERO,
        })
    }

    /// Recomputes P3 and P4.
    fn price(&self, bounds: &Bounds, position: usize) -> Result<Loss, CertificateError> {
        let fails = |rule, what: &str| broken(rule, &format!("mechanism {position}: {what}"));
        let sensitivity2 =
            sensitivity2(self.aggregate, self.bound, bounds).map_err(|what| fails("P3", what))?;
        if self.sensitivity2 != sensitivity2 {
            return Err(fails(
                "P3",
                "the sensitivity is not the one that follows from the bounds",
            ));
        }
        let MechanismKind::DiscreteGaussian = self.kind;
        let rho = rho_of(&sensitivity2, &self.sigma);
        if rho != Some(self.rho) {
            return Err(fails(
                "P4",
                "rho is not the one that follows from sensitivity and sigma",
            ));
        }
        if self.delta != Delta::ZERO {
            return Err(fails("P4", "discrete Gaussian noise has no delta"));
        }
        Ok(Loss {
            rho: self.rho,
            delta: self.delta,
        })
    }
}

/// L2 sensitivity squared over all groups that one person can touch, in grid units squared (rule P3): L0 for `persons`,
/// (k · bound)² · L0 otherwise. `bound` must be 1 for `persons` and `rows`.
///
/// # Errors
///
/// A bound of zero, or a bound other than 1 where the aggregate counts.
pub fn sensitivity2(
    aggregate: Aggregate,
    bound: u64,
    bounds: &Bounds,
) -> Result<Rational, &'static str> {
    if bounds.rows_per_person == 0 || bounds.groups_per_person == 0 || bounds.cells == 0 {
        return Err("the bounds are at least one");
    }
    let groups = Rational::from(u128::from(bounds.groups_per_person));
    let counts = matches!(aggregate, Aggregate::Persons | Aggregate::Rows);
    if counts && bound != 1 {
        return Err("a count changes by one");
    }
    if aggregate == Aggregate::Persons {
        return Ok(groups);
    }
    let rows = Rational::from(u128::from(bounds.rows_per_person));
    Ok(rows
        .product(&Rational::from(u128::from(bound)))
        .square()
        .product(&groups))
}

fn broken(rule: &'static str, what: &str) -> CertificateError {
    CertificateError::Rule {
        rule,
        what: what.to_owned(),
    }
}
