//! What a question costs: one noise per mechanism, the price split evenly among all of them.

use salus_accounting::{Delta, Noise, Rational, Rho, sigma_for, threshold_above};
use salus_certificate::{Bounds, Mechanism, Threshold, sensitivity2};

use crate::answer::approximate;
use crate::faults::{Fault, planted};
use crate::question::{Planned, Question, Sought};
use crate::refusal::Refusal;
use crate::release::Release;

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

/// The least price that puts every released count and sum within `error` of its noiseless value, with the level of the intervals.
///
/// # Errors
/// Where a number's error depends on the answer, or no price is enough.
pub(crate) fn within(
    question: &Question,
    noise: Noise,
    error: &Rational,
    delta: Delta,
    sought: &Sought,
) -> Result<Rho, Refusal> {
    let most = approximate(error);
    let refuse = |message: &str, hint: &str| Refusal::new("price", "--within", message, hint);
    let widest = |units: u64| -> Option<f64> {
        let mechanisms =
            mechanisms(&question.releases, noise, Rho::from_units(units), delta).ok()?;
        question.widest(&mechanisms, sought)
    };
    let fits = |units: u64| widest(units).is_some_and(|width| width <= most);
    if question.has_open_errors(sought) {
        return Err(refuse(
            "the error of an average depends on how many rows there are, and that of quantiles and of what is computed on the answer",
            "say how many rows to expect in each group: --expect-rows; for quantiles and computed numbers name a price: --epsilon",
        ));
    }
    let mut high = 1_u64;
    while !fits(high) {
        high = high
            .checked_mul(2)
            .filter(|units| *units < 1 << 62)
            .ok_or_else(|| {
                refuse(
                    "no price brings the error down so far",
                    "allow a larger error",
                )
            })?;
    }
    let mut low = high / 2;
    while high - low > 1 {
        let middle = low.midpoint(high);
        if fits(middle) {
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
