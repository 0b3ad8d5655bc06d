//! The counts of the leaves that fit all noisy nodes best: a parent and the sum of its children say the same thing twice.

use super::Tree;

impl Tree {
    /// Least-squares estimates of the leaves from the nodes of a tree whose noise has one variance.
    ///
    /// Upwards each node is averaged with the sum of its children, by their variances; downwards what a parent knows better is shared among its
    /// children, by theirs. Source: Hay et al. (2010), section 4, with the variances written out because the last node of a level may have fewer children.
    pub(super) fn leaf_counts(&self, nodes: &[f64]) -> Vec<f64> {
        let variances = self.variances();
        let mut counts = nodes.to_vec();
        let mut sums = vec![(0.0, 0.0); counts.len()];
        let starts = self.starts();
        for level in (1..self.sizes.len()).rev() {
            for child in starts[level]..starts[level] + self.sizes[level] {
                let parent = self.parent(&starts, level, child);
                sums[parent].0 += counts[child];
                sums[parent].1 += variances[child];
            }
            for parent in starts[level - 1]..starts[level] {
                let (sum, variance) = sums[parent];
                counts[parent] = (counts[parent] * variance + sum) / (1.0 + variance);
            }
        }
        for level in 1..self.sizes.len() {
            for child in starts[level]..starts[level] + self.sizes[level] {
                let parent = self.parent(&starts, level, child);
                let (sum, variance) = sums[parent];
                counts[child] += (counts[parent] - sum) * variances[child] / variance;
            }
        }
        counts.split_off(starts.last().copied().unwrap_or(0))
    }

    /// Variance of Σ weights · leaf estimate, where every node's noise has variance 1: weightsᵀ (XᵀX)⁻¹ weights, with X the leaves of each node.
    /// The estimates of nodes that hold the weights in their leaves and nothing above are (XᵀX)⁻¹ weights.
    pub(super) fn variance_of(&self, weights: &[f64]) -> f64 {
        let mut nodes = vec![0.0; self.nodes() - weights.len()];
        nodes.extend_from_slice(weights);
        let solved = self.leaf_counts(&nodes);
        solved
            .iter()
            .zip(weights)
            .map(|(x, weight)| x * weight)
            .sum()
    }

    /// Variance of each node's estimate from itself and what lies below it.
    fn variances(&self) -> Vec<f64> {
        let starts = self.starts();
        let mut below = vec![0.0; self.nodes()];
        let mut variances = vec![1.0; self.nodes()];
        for level in (1..self.sizes.len()).rev() {
            for child in starts[level]..starts[level] + self.sizes[level] {
                below[self.parent(&starts, level, child)] += variances[child];
            }
            for parent in starts[level - 1]..starts[level] {
                variances[parent] = below[parent] / (1.0 + below[parent]);
            }
        }
        variances
    }

    /// Position of the first node of each level.
    fn starts(&self) -> Vec<usize> {
        let ends = self.sizes.iter().scan(0, |end, size| {
            let start = *end;
            *end += size;
            Some(start)
        });
        ends.collect()
    }

    fn parent(&self, starts: &[usize], level: usize, child: usize) -> usize {
        starts[level - 1] + (child - starts[level]) / self.branching
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::grid::Grid;

    fn tree(leaves: i64) -> Tree {
        Tree::over(Grid {
            low: 0,
            high: leaves - 1,
            scale: 0,
        })
    }

    fn exact(tree: &Tree, leaves: &[f64]) -> Vec<f64> {
        let mut nodes = vec![0.0; tree.nodes()];
        for (leaf, count) in leaves.iter().enumerate() {
            tree.path(leaf).for_each(|node| nodes[node] += count);
        }
        nodes
    }

    #[test]
    fn nodes_without_noise_give_the_leaves() {
        for leaves in [2, 33, 170, 1000] {
            let tree = tree(leaves);
            let counts: Vec<f64> = (0..leaves)
                .map(|leaf| f64::from(i32::try_from(leaf * 7 % 11).unwrap()))
                .collect();
            let estimated = tree.leaf_counts(&exact(&tree, &counts));
            for (estimate, count) in estimated.iter().zip(&counts) {
                assert!((estimate - count).abs() < 1e-9, "{leaves}");
            }
        }
    }

    /// The normal equations XᵀX h = Xᵀ y hold: no other leaves fit the nodes better.
    #[test]
    fn estimates_are_least_squares() {
        let tree = tree(100);
        let noisy: Vec<f64> = (0..tree.nodes())
            .map(|i| f64::from(u8::try_from((i * 7919) % 101).unwrap()))
            .collect();
        let estimated = exact(&tree, &tree.leaf_counts(&noisy));
        for leaf in 0..100 {
            let residual: f64 = tree
                .path(leaf)
                .map(|node| noisy[node] - estimated[node])
                .sum();
            assert!(residual.abs() < 1e-9, "{leaf}: {residual}");
        }
    }

    #[test]
    fn half_of_the_leaves_are_known_better_than_leaf_by_leaf() {
        let tree = tree(1000);
        let weights: Vec<f64> = (0..1000)
            .map(|leaf| f64::from(u8::from(leaf < 500)))
            .collect();
        let variance = tree.variance_of(&weights);
        assert!(variance > 1.0 && variance < 30.0, "{variance}");
        // One leaf alone is known better than by its own noise.
        let mut alone = vec![0.0; 1000];
        alone[3] = 1.0;
        assert!(tree.variance_of(&alone) < 1.0);
    }
}
