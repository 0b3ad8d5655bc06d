//! Quantiles from a tree of noisy counts, with intervals that invert a test: a value is in the interval unless the noise cannot explain the counts below it.

use super::Tree;
use crate::interval::Z;

/// Which place among the sorted rows is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Place {
    /// The least value at or below which this part of the rows lies, from 0 to 1 without the ends.
    Fraction(f64),
    /// The least value.
    Least,
    /// The greatest value.
    Greatest,
}

impl Place {
    /// The part of the rows at or below it.
    fn part(self) -> f64 {
        match self {
            Self::Fraction(part) => part,
            Self::Least => 0.0,
            Self::Greatest => 1.0,
        }
    }

    /// The least row is the first with one row at or below it: half a row, since counts are whole.
    fn rows(self) -> f64 {
        match self {
            Self::Fraction(_) => 0.0,
            Self::Least => 0.5,
            Self::Greatest => -0.5,
        }
    }
}

/// For each leaf but the last: D = (rows up to and with it) − (rows that must lie there for the answer to be at or before it), and D's deviation.
struct Excess {
    of: Vec<f64>,
    deviation: Vec<f64>,
}

impl Tree {
    /// The value at a place, in grid units; `None` where noise alone could have made the counts.
    pub(crate) fn quantile(&self, nodes: &[i128], place: Place, sigma: f64) -> Option<i64> {
        let (counts, some) = self.counts(nodes, sigma);
        if !some {
            return None;
        }
        let leaf = match place {
            // Where the counts below cross, in the monotone curve that fits them best.
            Place::Fraction(part) => {
                let below = isotonic(&sums(&counts));
                let wanted = part * below.last()?;
                below.iter().position(|below| *below >= wanted)
            }
            // The ends are where the rows beyond cannot be told from none.
            Place::Least | Place::Greatest => {
                let excess = self.excess(&counts, place, sigma);
                let beyond = match place {
                    Place::Greatest => -1.0,
                    _ => 1.0,
                };
                let mut with_noise = excess.of.iter().zip(&excess.deviation);
                with_noise.position(|(excess, deviation)| *excess >= beyond * deviation)
            }
        };
        Some(self.value(leaf.unwrap_or(counts.len().checked_sub(1)?)))
    }

    /// Least and greatest value that could be at a place, in grid units, at 95 %. The whole grid where noise alone could have made the counts.
    ///
    /// The value asked for is the first leaf x with D(x) ≥ 0. Each end is missed with 2.5 % at most: the lower one only if the noise at x
    /// brings D(x) below −z · deviation, the upper one only if that at x − 1 lifts D(x − 1) < 0 above z · deviation.
    pub(crate) fn quantile_interval(&self, nodes: &[i128], place: Place, sigma: f64) -> (i64, i64) {
        let (counts, some) = self.counts(nodes, sigma);
        if !some {
            return (self.grid.low, self.grid.high);
        }
        let excess = self.excess(&counts, place, sigma);
        let within = |x: usize, side: f64| excess.of[x] >= side * Z * excess.deviation[x];
        let before_last = 0..excess.of.len();
        let low = before_last.clone().find(|x| within(*x, -1.0));
        let high = before_last
            .rev()
            .find(|x| !within(*x, 1.0))
            .map_or(0, |x| x + 1);
        let low = low.unwrap_or(excess.of.len());
        (self.ends(low).0, self.ends(high.max(low)).1)
    }

    /// Estimated counts of the leaves, and whether they are more than noise.
    #[allow(clippy::cast_precision_loss)] // For show only: the ledger keeps no float.
    fn counts(&self, nodes: &[i128], sigma: f64) -> (Vec<f64>, bool) {
        let nodes: Vec<f64> = nodes.iter().map(|node| *node as f64).collect();
        let counts = self.leaf_counts(&nodes);
        let total: f64 = counts.iter().sum();
        let deviation = sigma * self.variance_of_all().sqrt();
        (counts, total > Z * deviation)
    }

    /// The last leaf is left out: whatever place is asked for, it lies there or before.
    fn excess(&self, counts: &[f64], place: Place, sigma: f64) -> Excess {
        let total: f64 = counts.iter().sum();
        let (part, rows) = (place.part(), place.rows());
        let below = sums(counts).into_iter();
        let below = below.take(counts.len().saturating_sub(1));
        Excess {
            of: below.map(|below| below - part * total - rows).collect(),
            deviation: self.deviations(place, sigma),
        }
    }

    /// Standard deviation of D at each leaf but the last: it follows from the tree and the noise alone.
    fn deviations(&self, place: Place, sigma: f64) -> Vec<f64> {
        let (part, all) = (place.part(), self.variance_of_all());
        // D = below − part · total, and what varies in it.
        let deviation = |(variance, covariance): (f64, f64)| {
            let of_both = variance - 2.0 * part * covariance + part * part * all;
            sigma * of_both.max(0.0).sqrt()
        };
        let last = self.leaves().saturating_sub(1);
        self.below().into_iter().take(last).map(deviation).collect()
    }

    /// The largest standard deviation, in rows, of the place at which the answer stands among the sorted rows, wherever it lies.
    pub(crate) fn rank_deviation(&self, place: Place, sigma: f64) -> f64 {
        self.deviations(place, sigma)
            .into_iter()
            .fold(0.0, f64::max)
    }
}

fn sums(counts: &[f64]) -> Vec<f64> {
    let sums = counts.iter().scan(0.0, |sum, count| {
        *sum += count;
        Some(*sum)
    });
    sums.collect()
}

/// The rising sequence that is nearest in squares, by pooling neighbours that fall. Source: Ayer, Brunk, Ewing, Reid, Silverman (1955).
fn isotonic(values: &[f64]) -> Vec<f64> {
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for value in values {
        let mut pool = (*value, 1);
        while let Some((mean, size)) = pools.pop() {
            if mean <= pool.0 {
                pools.push((mean, size));
                break;
            }
            #[allow(clippy::cast_precision_loss)] // At most a thousand leaves.
            let (a, b) = (size as f64, pool.1 as f64);
            pool = ((mean * a + pool.0 * b) / (a + b), size + pool.1);
        }
        pools.push(pool);
    }
    pools
        .into_iter()
        .flat_map(|(mean, size)| std::iter::repeat_n(mean, size))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::grid::Grid;

    /// Four leaves without levels above them: half of two leaves' noise less half of the other two's.
    #[test]
    fn the_error_in_rows_is_known_beforehand() {
        let tree = Tree::over(Grid {
            low: 0,
            high: 3,
            scale: 0,
        });
        assert_eq!(tree.levels(), 1);
        let median = tree.rank_deviation(Place::Fraction(0.5), 3.0);
        assert!((median - 3.0).abs() < 1e-9, "{median}");
        // Three leaves of four for the greatest: 3 − 2 · 3 + 4.
        let greatest = tree.rank_deviation(Place::Greatest, 1.0);
        assert!((greatest - 3.0_f64.sqrt()).abs() < 1e-9, "{greatest}");
    }

    fn nodes(tree: &Tree, rows: &[i64]) -> Vec<i128> {
        let mut nodes = vec![0; tree.nodes()];
        for row in rows {
            let leaf = row.abs_diff(tree.grid().low) / tree.width();
            tree.path(usize::try_from(leaf).unwrap())
                .for_each(|node| nodes[node] += 1);
        }
        nodes
    }

    fn tree() -> Tree {
        Tree::over(Grid {
            low: 40,
            high: 300,
            scale: 0,
        })
    }

    #[test]
    fn without_noise_places_are_those_of_the_sorted_rows() {
        let tree = tree();
        let mut rows: Vec<i64> = (0..999).map(|i| 60 + i * i % 180).collect();
        let nodes = nodes(&tree, &rows);
        rows.sort_unstable();
        for (place, expected) in [
            (Place::Fraction(0.5), rows[499]),
            (Place::Fraction(0.9), rows[899]),
            (Place::Fraction(0.01), rows[9]),
            (Place::Least, rows[0]),
            (Place::Greatest, rows[998]),
        ] {
            assert_eq!(
                tree.quantile(&nodes, place, 1e-9),
                Some(expected),
                "{place:?}"
            );
            let interval = tree.quantile_interval(&nodes, place, 1e-9);
            assert_eq!(interval, (expected, expected), "{place:?}");
        }
    }

    #[test]
    fn noise_alone_has_no_quantile() {
        let tree = tree();
        let nodes = nodes(&tree, &[100, 101, 102]);
        assert_eq!(tree.quantile(&nodes, Place::Fraction(0.5), 5.0), None);
        assert_eq!(
            tree.quantile_interval(&nodes, Place::Fraction(0.5), 5.0),
            (40, 300)
        );
    }

    #[test]
    fn pooled_values_rise_and_keep_their_mean() {
        let pooled = isotonic(&[1.0, 5.0, 3.0, 4.0, 0.0, 9.0]);
        assert!(pooled.windows(2).all(|pair| pair[0] <= pair[1]));
        assert!((pooled.iter().sum::<f64>() - 22.0).abs() < 1e-12);
    }
}
