//! The price of a certificate, recomputed: nobody's arithmetic is believed, least of all the planner's.

use salus_accounting::{Delta, Loss, Noise, Rational, rho_of, threshold_delta};

use crate::{Aggregate, Bounds, Certificate, CertificateError, Mechanism, Step, Threshold};

/// Rules that a step may name (rule P1).
const STEP_RULES: [&str; 10] = [
    "S0", "S0p", "S1", "S2", "S3", "S4", "S5", "S6", "S8", RELEASE,
];
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
        self.check_thresholds()?;
        let mut total = Loss::ZERO;
        for (position, mechanism) in self.mechanisms.iter().enumerate() {
            let release = self
                .release_of(mechanism)
                .ok_or_else(|| broken("P3", "a mechanism of no release"))?;
            let loss = mechanism.price(release, position)?;
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
        for (position, step) in self.steps.iter().enumerate() {
            self.check_step(position, step)?;
        }
        if self.steps.last().is_none_or(|step| step.rule != RELEASE) {
            return Err(broken("P1", "the last step is a release"));
        }
        let steps = (0..).zip(&self.steps);
        let releases = steps.filter(|(_, step)| step.rule == RELEASE);
        let same = releases
            .map(|(position, step)| (position, step.rows))
            .eq(self
                .releases
                .iter()
                .map(|bounds| (bounds.step, bounds.rows_per_person)));
        if !same {
            return Err(broken(
                "P1",
                "the releases are not those of the steps, with their rows per person",
            ));
        }
        Ok(())
    }

    fn release_of(&self, mechanism: &Mechanism) -> Option<&Bounds> {
        self.releases.get(usize::try_from(mechanism.release).ok()?)
    }

    /// Where the keys are not public one count of persons decides which groups are answered; elsewhere none does.
    fn check_thresholds(&self) -> Result<(), CertificateError> {
        for (position, release) in (0..).zip(&self.releases) {
            let mut deciding = self
                .mechanisms
                .iter()
                .filter(|mechanism| mechanism.release == position && mechanism.threshold.is_some());
            let first = deciding.next();
            let right = match (release.cells, first) {
                (0, Some(mechanism)) => {
                    mechanism.aggregate == Aggregate::Persons && deciding.next().is_none()
                }
                (0, None) => false,
                (_, first) => first.is_none(),
            };
            if !right {
                return Err(broken(
                    "P3",
                    "a release without public keys has one count of persons with a threshold, others have none",
                ));
            }
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
                Some(earlier) if earlier.rule != RELEASE => inputs.push(earlier),
                _ => return fails("P1", "an input is not an earlier step below the releases"),
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
        let most = match step.rule.as_str() {
            "S1" | "S4" | "S5" | "S8" => {
                let [input] = inputs.as_slice() else {
                    return fails("P2", "the operator has one input");
                };
                input.rows
            }
            "S6" => {
                let known = inputs.iter().all(|input| input.rows != 0);
                let sum = inputs
                    .iter()
                    .try_fold(0_u64, |sum, input| sum.checked_add(input.rows));
                sum.filter(|_| known).unwrap_or(0)
            }
            _ => 0,
        };
        if most != 0 && (step.rows == 0 || step.rows > most) {
            return fails(
                "P2",
                "the operator claims more rows of a person than its inputs have",
            );
        }
        Ok(())
    }
}

impl Mechanism {
    /// Noise of scale `sigma` on an aggregate that one row changes by at most `bound` grid units,
    /// priced under `bounds` as the first release, one value for each group, no threshold.
    ///
    /// # Errors
    ///
    /// [`CertificateError::Rule`] if the aggregate does not allow this bound, or if the price does not fit.
    pub fn new(
        kind: Noise,
        aggregate: Aggregate,
        bound: u64,
        bounds: &Bounds,
        sigma: Rational,
    ) -> Result<Self, CertificateError> {
        let sensitivity2 =
            sensitivity2(kind, aggregate, bound, bounds).map_err(|what| broken("P3", what))?;
        let rho = rho_of(&sensitivity2, &sigma)
            .ok_or_else(|| broken("P4", "sigma is zero or the price does not fit"))?;
        Ok(Self {
            kind,
            release: 0,
            aggregate,
            bound,
            values: 1,
            threshold: None,
            sensitivity2,
            sigma,
            rho,
            delta: Delta::ZERO,
        })
    }

    /// Recomputes P3 and P4.
    fn price(&self, bounds: &Bounds, position: usize) -> Result<Loss, CertificateError> {
        let fails = |rule, what: &str| broken(rule, &format!("mechanism {position}: {what}"));
        let sensitivity2 = sensitivity2(self.kind, self.aggregate, self.bound, bounds)
            .map_err(|what| fails("P3", what))?;
        if self.sensitivity2 != sensitivity2 {
            return Err(fails(
                "P3",
                "the sensitivity is not the one that follows from the bounds",
            ));
        }
        let rho = rho_of(&sensitivity2, &self.sigma);
        if rho != Some(self.rho) {
            return Err(fails(
                "P4",
                "rho is not the one that follows from sensitivity and sigma",
            ));
        }
        if self.values != 1 && self.aggregate != Aggregate::Tree {
            return Err(fails("P3", "a group has one value"));
        }
        let least = self.threshold.map_or(Some(Delta::ZERO), |threshold| {
            threshold.delta(self.kind, &self.sigma, bounds)
        });
        if least != Some(self.delta) {
            return Err(fails(
                "P4",
                "delta is not the one that follows from threshold and sigma",
            ));
        }
        Ok(Loss {
            rho: self.rho,
            delta: self.delta,
        })
    }
}

impl Threshold {
    /// The probability, rounded up, that a group which is there because of one person is answered: the delta of the threshold.
    /// `None` if it cannot be bounded.
    pub fn delta(&self, kind: Noise, sigma: &Rational, bounds: &Bounds) -> Option<Delta> {
        let above = self.tau.checked_sub(self.minimum)?;
        threshold_delta(kind, sigma, above, &bounds.weights()?)
    }
}

/// Sensitivity squared over all groups that one person can touch, in grid units squared (rule P3). In the L2 norm, for Gaussian noise: L0 for
/// `persons`, k² · levels · L0 for `tree`, (k · bound)² · L0 otherwise; times unit² where persons are weighted. In the L1 norm, for Laplace noise:
/// L0² for `persons`, (k · bound · L0)² otherwise. `bound` must be 1 for counts.
///
/// # Errors
///
/// A bound of zero; a bound other than 1 where the aggregate counts; weights that are not for this noise or aggregate.
pub fn sensitivity2(
    kind: Noise,
    aggregate: Aggregate,
    bound: u64,
    bounds: &Bounds,
) -> Result<Rational, &'static str> {
    if bounds.rows_per_person == 0 || bounds.groups_per_person == 0 {
        return Err("the bounds are at least one");
    }
    let counts = matches!(
        aggregate,
        Aggregate::Persons | Aggregate::Rows | Aggregate::Values
    );
    if counts && bound != 1 {
        return Err("a count changes by one");
    }
    let whole = |n: u64| Rational::from(u128::from(n));
    let unit = match bounds.weighted {
        None => whole(1),
        Some(_) if matches!(aggregate, Aggregate::Values | Aggregate::Tree) => {
            return Err("weights are for persons, rows and sums");
        }
        Some(weighted) if kind == Noise::DiscreteGaussian => whole(weighted.unit),
        Some(_) => return Err("weights bound the L2 norm, which is not that of this noise"),
    };
    let rows = match aggregate {
        Aggregate::Persons => whole(1),
        _ => whole(bounds.rows_per_person),
    };
    let (groups, bound) = (whole(bounds.groups_per_person), whole(bound));
    Ok(match kind {
        // k rows of a person in one node of each level at most.
        Noise::DiscreteGaussian if aggregate == Aggregate::Tree => {
            rows.square().product(&bound).product(&groups)
        }
        Noise::DiscreteGaussian => rows
            .product(&bound)
            .product(&unit)
            .square()
            .product(&groups),
        Noise::DiscreteLaplace => rows.product(&bound).product(&groups).square(),
    })
}

fn broken(rule: &'static str, what: &str) -> CertificateError {
    CertificateError::Rule {
        rule,
        what: what.to_owned(),
    }
}
