//! Figures and floors, taken in turns so that both meet the same weather.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

/// Least number of rounds.
pub const ROUNDS: usize = 7;

/// Median, least and most.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Spread {
    /// Median.
    pub median: f64,
    /// Least.
    pub min: f64,
    /// Most.
    pub max: f64,
}

impl Spread {
    /// Of values that are not empty.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let at = |i: usize| sorted.get(i).copied().unwrap_or(f64::NAN);
        let (low, high) = (sorted.len().saturating_sub(1) / 2, sorted.len() / 2);
        Self {
            median: f64::midpoint(at(low), at(high)),
            min: at(0),
            max: at(sorted.len().saturating_sub(1)),
        }
    }
}

/// A figure against its floor.
#[derive(Debug, Clone, Serialize)]
pub struct Ratio {
    /// What was measured.
    pub name: String,
    /// Against what.
    pub floor: String,
    /// Unit of `figure` and `base`.
    pub unit: &'static str,
    /// The figure.
    pub figure: Spread,
    /// The floor.
    pub base: Spread,
    /// Time of the figure over time of the floor, of each round.
    pub ratio: Spread,
    /// Rounds.
    pub rounds: usize,
    /// The most that the ratio should be, or the least that the figure should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aim: Option<Aim>,
}

/// An aim.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Aim {
    /// The median ratio is at most this.
    RatioAtMost(f64),
    /// The median figure is at least this.
    FigureAtLeast(f64),
}

impl Ratio {
    /// From times of rounds, figure and floor of each taken one after the other, and a way to show a time in `unit`.
    pub fn of(
        name: impl Into<String>,
        floor: impl Into<String>,
        (unit, show): (&'static str, &dyn Fn(Duration) -> f64),
        rounds: &[(Duration, Duration)],
    ) -> Self {
        let ratio =
            |(figure, base): &(Duration, Duration)| figure.as_secs_f64() / base.as_secs_f64();
        Self {
            name: name.into(),
            floor: floor.into(),
            unit,
            figure: Spread::of(rounds.iter().map(|(figure, _)| show(*figure))),
            base: Spread::of(rounds.iter().map(|(_, base)| show(*base))),
            ratio: Spread::of(rounds.iter().map(ratio)),
            rounds: rounds.len(),
            aim: None,
        }
    }

    /// With an aim.
    #[must_use]
    pub fn aiming(mut self, aim: Aim) -> Self {
        self.aim = Some(aim);
        self
    }

    /// Whether the aim is reached; true without one.
    pub fn is_reached(&self) -> bool {
        match self.aim {
            None => true,
            Some(Aim::RatioAtMost(most)) => self.ratio.median <= most,
            Some(Aim::FigureAtLeast(least)) => self.figure.median >= least,
        }
    }
}

/// Runs A B A B … and gives the times. Before the first round each runs once unmeasured.
///
/// # Errors
/// The first error of either.
pub fn alternate(
    rounds: usize,
    mut figure: impl FnMut() -> Result<Duration>,
    mut base: impl FnMut() -> Result<Duration>,
) -> Result<Vec<(Duration, Duration)>> {
    figure()?;
    base()?;
    (0..rounds).map(|_| Ok((figure()?, base()?))).collect()
}

/// Milliseconds.
pub fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_of_the_values_in_order() {
        let odd = Spread::of([3.0, 1.0, 2.0]);
        assert_eq!(
            (odd.min, odd.median, odd.max).partial_cmp(&(1.0, 2.0, 3.0)),
            Some(std::cmp::Ordering::Equal)
        );
        let even = Spread::of([4.0, 1.0, 2.0, 3.0]);
        assert!((even.median - 2.5).abs() < 1e-12);
    }

    #[test]
    fn the_ratio_is_of_rounds_and_not_of_medians() {
        let ms = Duration::from_millis;
        let rounds = [(ms(10), ms(10)), (ms(40), ms(20)), (ms(30), ms(10))];
        let ratio =
            Ratio::of("a", "b", ("ms", &milliseconds), &rounds).aiming(Aim::RatioAtMost(1.9));
        assert!((ratio.ratio.median - 2.0).abs() < 1e-9);
        assert!(!ratio.is_reached());
    }

    #[test]
    fn rounds_alternate_after_one_that_does_not_count() {
        let order = std::cell::RefCell::new(String::new());
        let run = |name: char| {
            order.borrow_mut().push(name);
            Ok(Duration::from_millis(1))
        };
        let rounds = alternate(2, || run('a'), || run('b')).unwrap();
        assert_eq!(rounds.len(), 2);
        assert_eq!(order.into_inner(), "ababab");
    }
}
