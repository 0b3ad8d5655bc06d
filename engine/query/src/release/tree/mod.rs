//! Trees of counts over a public grid: what quantiles are computed from.
//!
//! A row lies in one leaf and in its ancestors, so k rows of a person move each level by at most k in L2, whatever the number of leaves; a sum over
//! many leaves is read off few nodes. Source: Hay, M., Rastogi, V., Miklau, G., Suciu, D. (2010), Boosting the accuracy of differentially private
//! histograms through consistency, PVLDB 3.

mod estimate;
mod quantile;

pub(crate) use quantile::Place;

use crate::functions::grid::Grid;

/// A finer tree gains nothing beside the noise.
const MOST_LEAVES: u64 = 1 << 10;

/// Children of a node, about: flat trees have few levels to pay for, deep ones few nodes to add up.
const BRANCHING: usize = 16;

/// A tree over the values of a grid; node 0 is the first of the top level, the leaves are last. There is no root: nobody asked for the total.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tree {
    grid: Grid,
    /// Grid values in one leaf.
    width: u64,
    branching: usize,
    /// Number of nodes of each level, top first.
    sizes: Vec<usize>,
    /// Variance of each node's estimate from itself and what lies below it, where every node's noise has variance 1.
    variances: Vec<f64>,
}

impl Tree {
    pub(crate) fn over(grid: Grid) -> Self {
        let values = grid.width().saturating_add(1);
        let width = values.div_ceil(MOST_LEAVES);
        let leaves = usize::try_from(values.div_ceil(width)).unwrap_or(1);
        let (branching, levels) = shape(leaves);
        let mut sizes = vec![leaves];
        for _ in 1..levels {
            let below = *sizes.last().unwrap_or(&1);
            sizes.push(below.div_ceil(branching));
        }
        sizes.reverse();
        let mut tree = Self {
            grid,
            width,
            branching,
            sizes,
            variances: Vec::new(),
        };
        tree.variances = tree.estimated_variances();
        tree
    }

    pub(crate) fn grid(&self) -> Grid {
        self.grid
    }

    /// Grid values in one leaf: row value X lies in leaf (X − LO) / width.
    pub(crate) fn width(&self) -> u64 {
        self.width
    }

    pub(crate) fn levels(&self) -> usize {
        self.sizes.len()
    }

    pub(crate) fn nodes(&self) -> usize {
        self.sizes.iter().sum()
    }

    fn leaves(&self) -> usize {
        self.sizes.last().copied().unwrap_or(0)
    }

    /// The positions of a leaf and its ancestors; nothing for what is no leaf.
    pub(crate) fn path(&self, leaf: usize) -> impl Iterator<Item = usize> {
        let mut node = leaf;
        let mut end = self.nodes();
        let known = leaf < self.leaves();
        self.sizes
            .iter()
            .rev()
            .filter(move |_| known)
            .map(move |size| {
                end -= size;
                let position = end + node;
                node /= self.branching;
                position
            })
    }

    /// The counts of so many rows that lie evenly over the leaves, in every node.
    pub(crate) fn evenly(&self, rows: u64) -> Vec<i128> {
        let mut counts = vec![0; self.nodes()];
        let leaves = self.leaves() as u128;
        for leaf in 0..self.leaves() {
            // Rows below this leaf's end less those below its beginning: they sum up to all.
            let below = |leaf: usize| u128::from(rows) * leaf as u128 / leaves.max(1);
            let here = below(leaf + 1).saturating_sub(below(leaf));
            for node in self.path(leaf) {
                if let Some(count) = counts.get_mut(node) {
                    *count += i128::try_from(here).unwrap_or_default();
                }
            }
        }
        counts
    }

    /// The value that stands for a leaf, in grid units: its middle, which is the value itself where leaves are single values.
    fn value(&self, leaf: usize) -> i64 {
        let low = i128::from(self.grid.low) + leaf as i128 * i128::from(self.width);
        let middle = low + i128::from(self.width - 1) / 2;
        i64::try_from(middle.min(i128::from(self.grid.high))).unwrap_or(self.grid.high)
    }

    /// Least and greatest value of a leaf, in grid units.
    fn ends(&self, leaf: usize) -> (i64, i64) {
        let low = i128::from(self.grid.low) + leaf as i128 * i128::from(self.width);
        let high = (low + i128::from(self.width) - 1).min(i128::from(self.grid.high));
        (
            i64::try_from(low).unwrap_or(self.grid.low),
            i64::try_from(high).unwrap_or(self.grid.high),
        )
    }
}

/// Branching and number of levels: as even as possible, so that no level has a stump.
fn shape(leaves: usize) -> (usize, usize) {
    let reaches = |branching: usize, levels: usize| {
        let mut reach = 1_usize;
        for _ in 0..levels {
            reach = reach.saturating_mul(branching);
        }
        reach >= leaves
    };
    // A little more than 16 children are cheaper than one more level.
    let levels = (1..64)
        .find(|levels| reaches(2 * BRANCHING, *levels))
        .unwrap_or(1);
    let branching = (2..=2 * BRANCHING)
        .find(|branching| reaches(*branching, levels))
        .unwrap_or(2);
    (branching, levels)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(low: i64, high: i64) -> Grid {
        Grid {
            low,
            high,
            scale: 0,
        }
    }

    #[test]
    fn every_value_has_one_leaf_and_one_node_on_each_level() {
        for high in [1, 15, 31, 32, 250, 1023, 1024, 100_000] {
            let tree = Tree::over(grid(-7, high));
            assert!(tree.leaves() as u64 <= MOST_LEAVES);
            let mut touched = vec![0_usize; tree.nodes()];
            for leaf in 0..tree.leaves() {
                let path: Vec<_> = tree.path(leaf).collect();
                assert_eq!(path.len(), tree.levels());
                for node in path {
                    touched[node] += 1;
                }
                let (low, high) = tree.ends(leaf);
                assert!((low..=high).contains(&tree.value(leaf)));
            }
            // Every level counts every leaf once, and no node stands empty.
            let all = tree.leaves() * tree.levels();
            assert_eq!(touched.iter().sum::<usize>(), all);
            assert!(touched.iter().all(|leaves| *leaves > 0));
            assert_eq!(tree.ends(tree.leaves() - 1).1, high);
            assert_eq!(tree.path(tree.leaves()).count(), 0);
        }
    }
}
