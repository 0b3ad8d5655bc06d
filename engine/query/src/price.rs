//! What a question costs: one discrete Gaussian per mechanism, the price split evenly among all of them.

use salus_accounting::{Delta, Rational, Rho, rho_of, sigma_for};
use salus_certificate::{Aggregate, Mechanism, MechanismKind};

use crate::question::Planned;
use crate::refusal::Refusal;
use crate::release::Release;

/// The mechanisms of all releases at a price of at most `rho` together.
///
/// # Guarantee
/// Each mechanism's `sensitivity2` is the squared L2 distance by which one person can move its vector over all cells: (k · bound)² · L0, and L0 for persons.
/// The sum of their `rho` does not pass `rho`.
pub(crate) fn mechanisms(releases: &[Planned], rho: Rho) -> Result<Vec<Mechanism>, Refusal> {
    let contributions = releases.iter().map(|part| part.release.contributions.len());
    let shares = contributions.sum::<usize>() as u64;
    let share = Rho::from_units(rho.units() / shares.max(1));
    let mechanisms = (0..).zip(releases);
    let mechanisms = mechanisms.map(|(i, part)| of_release(i, &part.release, share));
    Ok(mechanisms.collect::<Result<Vec<_>, _>>()?.concat())
}

fn of_release(position: u64, release: &Release, share: Rho) -> Result<Vec<Mechanism>, Refusal> {
    release
        .contributions
        .iter()
        .map(|contribution| {
            let refuse = || {
                Refusal::new(
                    "release",
                    contribution,
                    "this price is too small to sample noise for",
                    "give a larger --epsilon or --rho",
                )
            };
            let aggregate = contribution.kind();
            let sensitivity2 =
                sensitivity2(aggregate, contribution.bound(), release).ok_or_else(refuse)?;
            let sigma = sigma_for(&sensitivity2, share).ok_or_else(refuse)?;
            Ok(Mechanism {
                kind: MechanismKind::DiscreteGaussian,
                release: position,
                values: 1,
                threshold: None,
                aggregate,
                bound: contribution.bound(),
                rho: rho_of(&sensitivity2, &sigma).ok_or_else(refuse)?,
                sensitivity2,
                sigma,
                delta: Delta::ZERO,
            })
        })
        .collect()
}

fn sensitivity2(aggregate: Aggregate, bound: u64, release: &Release) -> Option<Rational> {
    let groups = u128::from(release.groups_per_person);
    let squared = if aggregate == Aggregate::Persons {
        groups
    } else {
        let row = u128::from(release.rows_per_person).checked_mul(u128::from(bound))?;
        row.checked_mul(row)?.checked_mul(groups)?
    };
    Rational::from_ratio(squared, 1)
}
