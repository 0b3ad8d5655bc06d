//! Repetitions of the noise: what released numbers might have been, drawn around what they are.
//!
//! The draws cost nothing and hide nothing: their distribution is public, their seed follows from the released numbers, so that the same answer has
//! the same error bars for everybody and at every replay.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, UInt32Array};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::Result;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use sha2::{Digest, Sha256};

use super::{REPETITION, World};
use crate::interval::Spread;

/// Values drawn for an answer, at most about so many.
const VALUES: usize = 400_000;

/// Repetitions, whatever the size of the answer. With 200 the ends of an interval of 95 % are the 5th value from either side.
const LEAST: usize = 200;
const MOST: usize = 1_000;

/// Tables of released numbers, many times over.
#[derive(Debug)]
pub(crate) struct Repetitions {
    tables: Vec<RecordBatch>,
    count: usize,
}

impl Repetitions {
    /// Draws repetitions of the mechanisms' `columns` with noise of `spreads`; `table` turns the columns of one repetition into the releases' tables.
    pub(crate) fn draw(
        columns: &[Vec<i128>],
        spreads: &[Spread],
        table: impl FnMut(&[Vec<i128>]) -> Result<Vec<RecordBatch>>,
    ) -> Result<Self> {
        Self::draw_from(seed(columns), columns, spreads, table)
    }

    /// The same from a seed that does not follow from the columns.
    pub(crate) fn draw_from(
        seed: [u8; 32],
        columns: &[Vec<i128>],
        spreads: &[Spread],
        mut table: impl FnMut(&[Vec<i128>]) -> Result<Vec<RecordBatch>>,
    ) -> Result<Self> {
        let values = columns.iter().map(Vec::len).sum::<usize>().max(1);
        let count = (VALUES / values).clamp(LEAST, MOST);
        let mut noise = Noise::new(seed);
        let mut parts: Vec<Vec<RecordBatch>> = Vec::new();
        for repetition in 0..count {
            let drawn: Vec<Vec<i128>> = columns
                .iter()
                .zip(spreads)
                .map(|(column, spread)| {
                    let around = |value: &i128| value.saturating_add(noise.whole(*spread));
                    column.iter().map(around).collect()
                })
                .collect();
            for (release, batch) in table(&drawn)?.into_iter().enumerate() {
                if parts.len() <= release {
                    parts.push(Vec::with_capacity(count));
                }
                parts[release].push(numbered(&batch, repetition)?);
            }
        }
        let tables = parts
            .into_iter()
            .filter_map(|batches| Some(concat_batches(&batches.first()?.schema(), &batches)))
            .collect::<std::result::Result<_, _>>()?;
        Ok(Self { tables, count })
    }

    /// Number of repetitions.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn world(&self) -> Result<World> {
        World::new(
            self.tables.iter().map(|batch| vec![batch.clone()]),
            Some(repetitions(self.count)?),
        )
    }
}

/// The schema of released numbers with the repetition as last column.
pub(super) fn repeated_schema(released: &SchemaRef) -> SchemaRef {
    let fields = released.fields().iter().map(|field| field.as_ref().clone());
    let repetition = Field::new(REPETITION, DataType::UInt32, false);
    Arc::new(Schema::new(fields.chain([repetition]).collect::<Vec<_>>()))
}

/// The table of all repetitions, for public tables that are the same in each.
pub(super) fn repetitions(count: usize) -> Result<RecordBatch> {
    let schema = Schema::new(vec![Field::new(REPETITION, DataType::UInt32, false)]);
    let numbers = UInt32Array::from_iter_values((0_u32..).take(count));
    Ok(RecordBatch::try_new(
        Arc::new(schema),
        vec![Arc::new(numbers)],
    )?)
}

fn numbered(batch: &RecordBatch, repetition: usize) -> Result<RecordBatch> {
    let number = u32::try_from(repetition).unwrap_or(u32::MAX);
    let number: ArrayRef = Arc::new(UInt32Array::from_value(number, batch.num_rows()));
    let columns = batch.columns().iter().cloned().chain([number]).collect();
    Ok(RecordBatch::try_new(
        repeated_schema(&batch.schema()),
        columns,
    )?)
}

/// Standard normal numbers by the polar method of Marsaglia (1964).
struct Noise {
    random: ChaCha20Rng,
    spare: Option<f64>,
}

/// What the noise of released numbers is drawn from.
fn seed(columns: &[Vec<i128>]) -> [u8; 32] {
    let mut seed = Sha256::new();
    for column in columns {
        seed.update((column.len() as u64).to_be_bytes());
        for value in column {
            seed.update(value.to_be_bytes());
        }
    }
    seed.finalize().into()
}

impl Noise {
    fn new(seed: [u8; 32]) -> Self {
        Self {
            random: ChaCha20Rng::from_seed(seed),
            spare: None,
        }
    }

    /// A whole number: the nearest to one of the continuous distribution. Its variance is no smaller than that of the discrete noise.
    #[allow(clippy::cast_possible_truncation)] // Saturates far beyond what is released.
    fn whole(&mut self, spread: Spread) -> i128 {
        let drawn = match spread.noise() {
            salus_accounting::Noise::DiscreteGaussian => self.normal(),
            salus_accounting::Noise::DiscreteLaplace => self.laplace(),
        };
        (drawn * spread.scale()).round() as i128
    }

    /// A Laplace number of scale 1, by the inverse of its distribution function.
    fn laplace(&mut self) -> f64 {
        let u = self.uniform();
        -u.signum() * (1.0 - u.abs()).max(f64::MIN_POSITIVE).ln()
    }

    fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            let (u, v) = (self.uniform(), self.uniform());
            let s = u * u + v * v;
            if s > 0.0 && s < 1.0 {
                let factor = (-2.0 * s.ln() / s).sqrt();
                self.spare = Some(v * factor);
                return u * factor;
            }
        }
    }

    /// Between −1 and 1.
    fn uniform(&mut self) -> f64 {
        #[allow(clippy::cast_precision_loss)] // 53 bits.
        let unit = (self.random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        2.0 * unit - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::cast_precision_loss)]
    fn draws_have_the_scale_and_follow_from_the_numbers() {
        let columns = vec![vec![1000; 500]];
        let sum = |of: &[i128]| of.iter().map(|v| (*v - 1000) as f64).sum::<f64>();
        let squares = |of: &[i128]| of.iter().map(|v| ((*v - 1000) as f64).powi(2)).sum::<f64>();
        let spread = Spread::new(salus_accounting::Noise::DiscreteGaussian, 20.0);
        let draw = |columns: &[Vec<i128>]| {
            let mut seen = Vec::new();
            let drawn = Repetitions::draw(columns, &[spread], |columns| {
                seen.extend(columns[0].clone());
                Ok(vec![])
            });
            (seen, drawn.unwrap().count())
        };
        let (first, count) = draw(&columns);
        assert_eq!((first.len(), count), (500 * 800, 800));
        let n = first.len() as f64;
        assert!((sum(&first) / n).abs() < 0.2);
        assert!((squares(&first) / n / 400.0 - 1.0).abs() < 0.02);
        assert_eq!(draw(&columns).0, first);
        let mut other = columns;
        other[0][3] += 1;
        assert_ne!(draw(&other).0[..100], first[..100]);
    }

    #[test]
    #[allow(clippy::cast_precision_loss)]
    fn laplace_draws_have_the_scale() {
        let spread = Spread::new(salus_accounting::Noise::DiscreteLaplace, 20.0);
        let mut sizes = Vec::new();
        let columns = [vec![0; 500]];
        let drawn = Repetitions::draw(&columns, &[spread], |columns| {
            sizes.extend(columns[0].iter().map(|v| v.unsigned_abs() as f64));
            Ok(vec![])
        });
        drawn.unwrap();
        // The mean size is the scale, and 5 % are beyond three of them.
        let n = sizes.len() as f64;
        assert!((sizes.iter().sum::<f64>() / n / 20.0 - 1.0).abs() < 0.02);
        let beyond = sizes.iter().filter(|size| **size > 59.9).count() as f64;
        assert!((beyond / n - 0.05).abs() < 0.003);
    }
}
