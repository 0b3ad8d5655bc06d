//! What a question costs: one noise per mechanism, the price split evenly among all of them.

use datafusion::prelude::SessionContext;
use salus_accounting::{Delta, Noise, Rational, Rho, sigma_for, threshold_above};
use salus_certificate::{Bounds, Mechanism, Threshold, sensitivity2};

use crate::answer::approximate;
use crate::faults::{Fault, planted};
use crate::foretell::foretold;
use crate::question::{Planned, Question, Sought};
use crate::refusal::Refusal;
use crate::release::Release;

/// Of the units of a rho: where the search for a price begins.
const START: u32 = 30;

/// The mechanisms of all releases at a price of at most `rho` and `delta` together.
///
/// # Guarantee
/// Each mechanism's `sensitivity2` is the squared distance by which one person can move its vector over all cells, in the norm of the noise: see
/// [`sensitivity2`].
/// The sum of their `rho` does not pass `rho`.
pub(crate) fn mechanisms(
    releases: &[Planned],
    noise: Noise,
    rho: Rho,
    delta: Delta,
) -> Result<Vec<Mechanism>, Refusal> {
    let contributions = releases.iter().map(|part| part.release.contributions.len());
    let shares = contributions.sum::<usize>() as u64;
    let share = Rho::from_units(rho.units() / shares.max(1));
    let unknown = releases
        .iter()
        .filter(|part| part.release.threshold.is_some());
    let delta = Delta::from_units(delta.units() / unknown.count().max(1) as u128);
    let mut mechanisms = Vec::new();
    for (i, part) in (0..).zip(releases) {
        let first = mechanisms.len();
        mechanisms.extend(of_release(i, &part.release, noise, share)?);
        if let Some((minimum, deciding)) = part.release.threshold {
            let deciding: Option<&mut Mechanism> = mechanisms.get_mut(first + deciding);
            let bounds = part.release.bounds();
            deciding
                .zip(delta)
                .and_then(|(mechanism, delta)| decide(mechanism, minimum, delta, &bounds))
                .ok_or_else(|| {
                    Refusal::new(
                        "keys",
                        "GROUP BY",
                        "keys that are not public cost delta, and this price has too little of it",
                        "give --delta, for instance 1e-8, or group by a column with a declared domain",
                    )
                })?;
        }
    }
    Ok(mechanisms)
}

/// Lets a count of persons decide which groups are answered: the least threshold at a price of at most `delta`.
fn decide(mechanism: &mut Mechanism, minimum: u64, delta: Delta, bounds: &Bounds) -> Option<()> {
    let weights = bounds.weights()?;
    let above = threshold_above(mechanism.kind, &mechanism.sigma, delta, &weights)?;
    let from = if planted(Fault::ThresholdWithoutMinimum) {
        1
    } else {
        minimum
    };
    let tau = from.checked_add(above)?;
    // The price is that of the threshold above whoever is counted, also where it is set too low.
    let priced = Threshold { minimum: from, tau };
    mechanism.delta = priced.delta(mechanism.kind, &mechanism.sigma, bounds)?;
    mechanism.threshold = Some(Threshold { minimum, tau });
    Some(())
}

/// The least price that puts every number of the answer within `error` of its noiseless value, with the level of the intervals; where its error depends
/// on the answer, as [`foretold`].
///
/// # Errors
/// Where a number's error cannot be foretold, or no price is enough.
pub(crate) async fn within(
    question: &Question,
    noise: Noise,
    error: &Rational,
    delta: Delta,
    sought: &Sought,
    context: &SessionContext,
) -> Result<Rho, Refusal> {
    let most = approximate(error);
    let refuse = |message: &str, hint: &str| Refusal::new("price", "--within", message, hint);
    let widest = async |units: u64| -> Result<f64, Refusal> {
        let rho = Rho::from_units(units);
        let Ok(mechanisms) = mechanisms(&question.releases, noise, rho, delta) else {
            return Ok(f64::INFINITY);
        };
        let foretold = foretold(question, &mechanisms, context, sought).await;
        let foretold = foretold.unwrap_or_else(|_| vec![None; question.post.columns.len()]);
        match question.widest(&mechanisms, sought, &foretold) {
            Some(widest) => Ok(widest),
            // So much noise that a quotient has no bounds.
            None if sought.rows.is_some() => Ok(f64::INFINITY),
            None => Err(refuse(
                "the error of averages, quantiles and what is computed depends on how many rows there are",
                "say how many rows to expect in each group: --expect-rows",
            )),
        }
    };
    // Errors that are worked out take a while: start from what is usual.
    let mut high = 1_u64 << START;
    while widest(high).await? > most {
        high = high
            .checked_mul(4)
            .filter(|units| *units < 1 << 62)
            .ok_or_else(|| {
                refuse(
                    "no price is found that brings the error down so far",
                    "allow a larger error, or name a price: --epsilon",
                )
            })?;
    }
    let mut low = 0;
    while high - low > 1 {
        // Halves of the exponent first: a price may be far below.
        let middle = if low == 0 {
            1 << (high.ilog2() / 2)
        } else if high / low > 2 {
            1 << u32::midpoint(low.ilog2(), high.ilog2())
        } else {
            low.midpoint(high)
        };
        if middle <= low || middle >= high {
            break;
        }
        if widest(middle).await? <= most {
            high = middle;
        } else {
            low = middle;
        }
    }
    Ok(Rho::from_units(high))
}

fn of_release(
    position: u64,
    release: &Release,
    noise: Noise,
    share: Rho,
) -> Result<Vec<Mechanism>, Refusal> {
    let bounds = release.bounds();
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
            let bound = contribution.bound();
            let sensitivity2 =
                sensitivity2(noise, aggregate, bound, &bounds).map_err(|_| refuse())?;
            let sigma = sigma_for(&sensitivity2, share).ok_or_else(refuse)?;
            let mechanism = Mechanism::new(noise, aggregate, bound, &bounds, sigma);
            Ok(Mechanism {
                release: position,
                values: contribution.values() as u64,
                ..mechanism.map_err(|_| refuse())?
            })
        })
        .collect()
}
