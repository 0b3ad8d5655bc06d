//! Leaves of a tree: of each person and group at most k rows count, at evenly spaced ranks (S7).

use std::collections::HashMap;

/// Groups whose leaves are counted in a table; those of more are in a map.
const TABLE: usize = 1 << 12;

/// A row of the table: trees are no wider.
const WIDTH: usize = 1 << 10;

/// How many count in each leaf of each group.
#[derive(Default)]
pub(super) struct Leaves {
    /// Of the first groups, by group and leaf.
    table: Vec<i64>,
    others: HashMap<(usize, i64), i64>,
}

/// Keeps a person's first groups, in the order that is hers.
pub(super) fn keep_leaves(
    leaves: &mut Vec<(usize, Option<i64>)>,
    most: usize,
    order: impl Fn(&usize) -> (u64, u64),
) {
    let mut groups: Vec<usize> = leaves
        .chunk_by(|a, b| a.0 == b.0)
        .map(|run| run[0].0)
        .collect();
    if groups.len() > most {
        groups.sort_unstable_by_key(order);
        groups.truncate(most);
        groups.sort_unstable();
        leaves.retain(|(group, _)| groups.binary_search(group).is_ok());
    }
}

/// How many of the ranks ⌊(2j + 1) · rows / 2k⌋, j from 0 to k − 1, lie before rank `up_to`: of a person's rows, sorted by value, only k count where
/// she has more, those at k evenly spaced ranks, her own quantiles.
///
/// # Guarantee
/// Up to her last row they are min(rows, k), and they depend on her rows alone, not on their order.
fn evenly(up_to: i128, rows: i128, k: i128) -> i128 {
    if rows <= k {
        return up_to;
    }
    // (2j + 1) · rows < 2k · up_to, hence j < (2k · up_to − rows) / 2rows; rounded up, for j is whole.
    let (above, below) = (2 * k * up_to - rows, 2 * rows);
    ((above + below - 1).div_euclid(below)).clamp(0, k)
}

impl Leaves {
    /// Bytes that are held.
    pub(super) fn size(&self) -> usize {
        8 * self.table.capacity() + 32 * self.others.capacity()
    }

    /// Counts the leaves of a person in one group, which come sorted.
    pub(super) fn add(&mut self, of_group: &[(usize, Option<i64>)], k: i128) {
        let rows = of_group.iter().filter(|(_, leaf)| leaf.is_some()).count() as i128;
        let mut before = 0;
        for run in of_group.chunk_by(|a, b| a.1 == b.1) {
            let Some((group, Some(leaf))) = run.first().copied() else {
                continue;
            };
            let up_to = before + run.len() as i128;
            let counted = evenly(up_to, rows, k) - evenly(before, rows, k);
            before = up_to;
            *self.place(group, leaf) += i64::try_from(counted).unwrap_or(0);
        }
    }

    fn place(&mut self, group: usize, leaf: i64) -> &mut i64 {
        match usize::try_from(leaf) {
            Ok(at) if at < WIDTH && group < TABLE => {
                let place = group * WIDTH + at;
                if self.table.len() <= place {
                    self.table.resize((group + 1) * WIDTH, 0);
                }
                &mut self.table[place]
            }
            _ => self.others.entry((group, leaf)).or_default(),
        }
    }

    /// Group, leaf and count of every leaf that somebody counts in.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, i64, i64)> {
        let groups = self.table.chunks(WIDTH).enumerate();
        let table = groups.flat_map(|(group, leaves)| {
            let leaves = (0_i64..).zip(leaves);
            leaves.map(move |(leaf, count)| (group, leaf, *count))
        });
        let others = self.others.iter();
        let others = others.map(|((group, leaf), count)| (*group, *leaf, *count));
        table.chain(others).filter(|(_, _, count)| *count != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evenly_spaced_ranks_are_counted_once() {
        for k in 1..8_i128 {
            for rows in 1..40_i128 {
                assert_eq!(evenly(0, rows, k), 0);
                assert_eq!(evenly(rows, rows, k), rows.min(k));
                let ranks: Vec<i128> = if rows <= k {
                    (0..rows).collect()
                } else {
                    (0..k).map(|j| (2 * j + 1) * rows / (2 * k)).collect()
                };
                for up_to in 0..=rows {
                    let before = ranks.iter().filter(|rank| **rank < up_to).count() as i128;
                    assert_eq!(evenly(up_to, rows, k), before, "k {k}, {up_to} of {rows}");
                }
            }
        }
    }
}
