//! The counts of the leaves that fit all noisy nodes best: a parent and the sum of its children say the same thing twice.

use super::Tree;

impl Tree {
    /// Least-squares estimates of the leaves from the nodes of a tree whose noise has one variance.
    ///
    /// Upwards each node is averaged with the sum of its children, by their variances; downwards what a parent knows better is shared among its
    /// children, by theirs. Source: Hay et al. (2010), section 4, with the variances written out because the last node of a level may have fewer children.
    pub(super) fn leaf_counts(&self, nodes: &[f64]) -> Vec<f64> {
        let variances = &self.variances;
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

    /// For each leaf the variance of the estimated count up to and with it, and its covariance with the estimated count of all.
    ///
    /// Let a part of a node's rows, given the node's true count T, be estimated as share · T with variance `rest`. Its children's estimates have
    /// variances v and, given T, covariances v_c δ_cd − v_c v_d / Σv; so a part that holds whole children and a part of one follows from theirs.
    pub(super) fn below(&self) -> Vec<(f64, f64)> {
        let starts = self.starts();
        let below_leaf = |leaf: usize| {
            let (mut share, mut rest) = (1.0, 0.0);
            let mut node = leaf;
            for level in (1..self.sizes.len()).rev() {
                let parent = node / self.branching;
                let first = parent * self.branching;
                let end = (first + self.branching).min(self.sizes[level]);
                let level = &self.variances[starts[level]..];
                let part = Part::of(&level[first..end], node - first, share);
                rest += part.squares - part.sum * part.sum / part.all;
                share = part.sum / part.all;
                node = parent;
            }
            // The nodes of the top level know nothing of each other.
            let top = Part::of(&self.variances[..self.sizes[0]], node, share);
            (top.squares + rest, top.sum)
        };
        (0..self.leaves()).map(below_leaf).collect()
    }

    /// Variance of the estimated count of all leaves.
    pub(super) fn variance_of_all(&self) -> f64 {
        self.variances.iter().take(self.sizes[0]).sum()
    }

    /// See [`Tree::variances`].
    pub(super) fn estimated_variances(&self) -> Vec<f64> {
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

/// Sums over siblings of which those before one count whole, and that one in part.
struct Part {
    /// Σ w² v.
    squares: f64,
    /// Σ w v.
    sum: f64,
    /// Σ v.
    all: f64,
}

impl Part {
    fn of(variances: &[f64], partly: usize, share: f64) -> Self {
        let before: f64 = variances.iter().take(partly).sum();
        let own = variances.get(partly).copied().unwrap_or(0.0);
        Self {
            squares: before + share * share * own,
            sum: before + share * own,
            all: variances.iter().sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::grid::Grid;

    /// Variance of Σ weights · leaf estimate in another way: weightsᵀ (XᵀX)⁻¹ weights, with X the leaves of each node. The estimates of nodes that
    /// hold the weights in their leaves and nothing above are (XᵀX)⁻¹ weights.
    fn variance_of(tree: &Tree, weights: &[f64]) -> f64 {
        let mut nodes = vec![0.0; tree.nodes() - weights.len()];
        nodes.extend_from_slice(weights);
        let solved = tree.leaf_counts(&nodes);
        let terms = solved.iter().zip(weights);
        terms.map(|(x, weight)| x * weight).sum()
    }

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
    fn variances_are_those_of_the_normal_equations() {
        for leaves in [1, 2, 31, 33, 100, 170, 257, 1000] {
            let tree = tree(leaves);
            let count = tree.leaves();
            let all = vec![1.0; count];
            assert!((tree.variance_of_all() - variance_of(&tree, &all)).abs() < 1e-9);
            let mut weights = vec![0.0; count];
            for (leaf, (variance, covariance)) in tree.below().into_iter().enumerate() {
                weights[leaf] = 1.0;
                assert!(
                    (variance - variance_of(&tree, &weights)).abs() < 1e-9,
                    "{leaves} {leaf}"
                );
                // Var(a + b) = Var(a) + 2 Cov(a, b) + Var(b).
                let both: Vec<f64> = weights.iter().map(|weight| weight + 1.0).collect();
                let sum = variance + 2.0 * covariance + tree.variance_of_all();
                assert!(
                    (sum - variance_of(&tree, &both)).abs() < 1e-8,
                    "{leaves} {leaf}"
                );
            }
        }
    }

    #[test]
    fn half_of_the_leaves_are_known_better_than_leaf_by_leaf() {
        let tree = tree(1000);
        let (variance, _) = tree.below()[499];
        assert!(variance > 1.0 && variance < 30.0, "{variance}");
        // One leaf alone is known better than by its own noise.
        assert!(tree.below()[0].0 < 1.0);
    }
}
