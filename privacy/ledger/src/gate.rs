//! The gate, by types: exact results can be opened by a charge alone, and a charge is proof that its price has been paid.

use std::sync::Arc;

use salus_accounting::{Loss, Noise, Rational};
use salus_certificate::{Certificate, EntryIndex, Mechanism};
use tokio::sync::oneshot;

use crate::commitment::Opening;
use crate::entry::Reason;
use crate::error::{Error, Result};
use crate::threshold;
use crate::writer::{Request, Ticket, Writer};

/// Numbers of the answered groups of one mechanism, most: two gigabytes.
const MOST_NUMBERS: usize = 1 << 27;

/// Exact results over private rows: one column for each mechanism, one integer in grid units for each group and value. Where the keys of a
/// release are not public they are sealed with the numbers.
///
/// # Guarantee
///
/// Once sealed, nothing but [`Charge::release`] can look inside. It cannot be printed:
///
/// ```compile_fail,E0277
/// # let exact = salus_ledger::Exact::seal(vec![vec![7]]);
/// println!("{exact:?}");
/// ```
/// ```compile_fail,E0277
/// # let exact = salus_ledger::Exact::seal(vec![vec![7]]);
/// println!("{exact}");
/// ```
///
/// nor serialised:
///
/// ```compile_fail,E0277
/// # let exact = salus_ledger::Exact::seal(vec![vec![7]]);
/// let text = serde_json::to_string(&exact);
/// ```
///
/// nor cloned, so that it is released at most once:
///
/// ```compile_fail,E0599
/// # let exact = salus_ledger::Exact::seal(vec![vec![7]]);
/// let again = exact.clone();
/// ```
///
/// nor opened, compared or taken apart:
///
/// ```compile_fail,E0616
/// # let exact = salus_ledger::Exact::seal(vec![vec![7]]);
/// let columns = exact.columns;
/// ```
/// ```compile_fail,E0451
/// # let exact = salus_ledger::Exact::seal(vec![vec![7]]);
/// let salus_ledger::Exact { columns, groups } = exact;
/// ```
/// ```compile_fail,E0369
/// # let exact = salus_ledger::Exact::seal(vec![vec![7]]);
/// let seven = exact == salus_ledger::Exact::seal(vec![vec![7]]);
/// ```
#[expect(
    missing_debug_implementations,
    reason = "that it has none is the point"
)]
pub struct Exact {
    columns: Vec<Column>,
    groups: Vec<Option<Groups>>,
}

/// The numbers of one mechanism, group by group.
#[expect(
    missing_debug_implementations,
    reason = "that it has none is the point"
)]
pub enum Column {
    /// All of them.
    Dense(Vec<i128>),
    /// What is to be added up at which place; everywhere else is zero. For many values of many groups of which few may be answered.
    Sparse(Vec<(usize, i128)>),
}

impl Column {
    /// Whether it has numbers for so many places, and for no others.
    fn fits(&self, places: usize) -> bool {
        match self {
            Self::Dense(numbers) => numbers.len() == places,
            Self::Sparse(numbers) => numbers.iter().all(|(place, _)| *place < places),
        }
    }

    /// The numbers of the groups that are kept, `values` for each. `None` where they are more than memory is meant for: that depends on
    /// which groups are answered, and on nothing else.
    pub(crate) fn keep(self, kept: &[bool], values: usize) -> Option<Vec<i128>> {
        let answered = kept.iter().filter(|kept| **kept).count();
        let places = answered
            .checked_mul(values)
            .filter(|places| *places <= MOST_NUMBERS)?;
        match self {
            Self::Dense(numbers) => {
                let groups = numbers.chunks(values.max(1)).zip(kept);
                let kept = groups.filter_map(|(group, kept)| kept.then_some(group));
                Some(kept.flatten().copied().collect())
            }
            Self::Sparse(numbers) => {
                let mut next = 0_usize;
                let starts: Vec<Option<usize>> = kept
                    .iter()
                    .map(|kept| {
                        let start = kept.then_some(next);
                        next = next.saturating_add(if *kept { values } else { 0 });
                        start
                    })
                    .collect();
                let mut dense = vec![0_i128; places];
                for (place, number) in numbers {
                    let group = place.checked_div(values)?;
                    let Some(start) = starts.get(group).copied().flatten() else {
                        continue;
                    };
                    let at = start.checked_add(place.checked_rem(values)?)?;
                    let sum = dense.get_mut(at)?;
                    *sum = sum.checked_add(number)?;
                }
                Some(dense)
            }
        }
    }
}

/// The groups of a release whose keys are not public, in the order of their columns.
#[expect(
    missing_debug_implementations,
    reason = "that it has none is the point"
)]
pub struct Groups {
    /// The key of each group, as the caller spells it. It leaves only for groups that are answered.
    pub keys: Vec<Vec<u8>>,
    /// Number of distinct persons in each group.
    pub persons: Vec<u64>,
}

impl Exact {
    /// Seals exact columns of releases whose keys are public.
    pub fn seal(columns: Vec<Vec<i128>>) -> Self {
        let columns = columns.into_iter().map(Column::Dense).collect();
        Self::seal_groups(columns, Vec::new())
    }

    /// Seals exact columns; `groups` has one item for each release, `None` where the keys are public.
    pub fn seal_groups(columns: Vec<Column>, groups: Vec<Option<Groups>>) -> Self {
        Self { columns, groups }
    }

    /// Whether there is one column for each mechanism, one value for each cell that was priced, and keys where they are not public.
    fn fits(&self, certificate: &Certificate) -> bool {
        self.columns.len() == certificate.mechanisms.len()
            && self
                .columns
                .iter()
                .zip(&certificate.mechanisms)
                .all(|(column, mechanism)| {
                    let length = self
                        .cells(certificate, mechanism.release)
                        .and_then(|cells| {
                            cells.checked_mul(usize::try_from(mechanism.values).ok()?)
                        });
                    length.is_some_and(|places| column.fits(places))
                })
    }

    /// Number of groups of a release, answered or not; `None` if there is none to fit.
    fn cells(&self, certificate: &Certificate, release: u64) -> Option<usize> {
        let release = usize::try_from(release).ok()?;
        let priced = certificate.releases.get(release)?.cells;
        match (priced, self.groups.get(release).and_then(Option::as_ref)) {
            (0, Some(groups)) if groups.keys.len() == groups.persons.len() => {
                Some(groups.keys.len())
            }
            (0, _) | (_, Some(_)) => None,
            (cells, None) => usize::try_from(cells).ok(),
        }
    }
}

/// Noisy integers in grid units: one column for each mechanism, one value for each cell. Anything computed from them is free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// One vector for each mechanism of the certificate.
    pub columns: Vec<Vec<i128>>,
    /// One item for each release: the keys of the answered groups in the order of the columns, `None` where the keys are public.
    pub keys: Vec<Option<Vec<Vec<u8>>>>,
}

/// No answer could be made. It says nothing more, because a reason could depend on data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerFailed;

/// An answer that stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The answer's bytes.
    pub answer: Vec<u8>,
    /// The RELEASE entry.
    pub entry: EntryIndex,
    /// The RESERVE entry.
    pub reserve: EntryIndex,
    /// C2SP tlog-proof of the answer; see [`crate::receipt::verify`].
    pub receipt: String,
    /// What the purse holds after the answer.
    pub remaining: Loss,
    /// What the answer cost.
    pub cost: Loss,
    /// The REUSE entry, where an answer was given once more.
    pub reused: Option<EntryIndex>,
}

/// The right to open one exact result: its RESERVE entry is on the disk and its price taken from the purse.
///
/// # Guarantee
///
/// Only [`crate::Ledger::reserve`] makes one, after the commit. Dropping it appends ABORT(dropped) and refunds nothing. It can neither be
/// constructed nor cloned elsewhere:
///
/// ```compile_fail,E0451
/// let charge = salus_ledger::Charge {
///     ticket: unimplemented!(),
///     writer: unimplemented!(),
///     certificate: unimplemented!(),
///     cost: salus_accounting::Loss::ZERO,
/// };
/// ```
/// ```compile_fail,E0277
/// fn twice(charge: &salus_ledger::Charge) -> salus_ledger::Charge {
///     salus_ledger::Charge::clone(charge)
/// }
/// ```
/// ```compile_fail,E0382
/// # async fn twice(charge: salus_ledger::Charge, a: salus_ledger::Exact, b: salus_ledger::Exact) {
/// let first = charge.release(a, async |_: &salus_ledger::Released| Ok(vec![])).await;
/// let second = charge.release(b, async |_: &salus_ledger::Released| Ok(vec![])).await;
/// # }
/// ```
#[must_use = "the budget is spent; a charge that is dropped answers nothing"]
pub struct Charge {
    /// Dropped first, while the writer still listens.
    ticket: Ticket,
    writer: Arc<Writer>,
    certificate: Certificate,
    cost: Loss,
}

impl Charge {
    pub(crate) fn new(
        ticket: Ticket,
        writer: Arc<Writer>,
        certificate: Certificate,
        cost: Loss,
    ) -> Self {
        Self {
            ticket,
            writer,
            certificate,
            cost,
        }
    }

    /// Index of the RESERVE entry.
    pub fn entry(&self) -> EntryIndex {
        self.ticket.reserve()
    }

    /// The mechanisms that were priced, one for each column.
    pub fn mechanisms(&self) -> &[Mechanism] {
        &self.certificate.mechanisms
    }

    /// The certificate in the RESERVE entry.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// What was taken from the purse.
    pub fn cost(&self) -> Loss {
        self.cost
    }

    /// Opens `exact`, adds the noise that was priced (column j gets mechanism j), lets `answer` turn the noisy numbers into the answer's
    /// bytes, and returns them once the RELEASE entry is durable.
    ///
    /// # Guarantee
    ///
    /// Noise is drawn once. `answer` sees noisy numbers only, and of keys that are not public those that passed the threshold. No byte of the answer leaves before its RELEASE entry is on the disk.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if the shape is not the one that was priced or `answer` fails: ABORT(failed) is in the log then, the budget
    /// stays spent, and the text is the same for every reason. Other errors if the RELEASE could not be made durable.
    pub async fn release<F>(self, exact: Exact, answer: F) -> Result<Published>
    where
        F: AsyncFnOnce(&Released) -> Result<Vec<u8>, AnswerFailed>,
    {
        if !exact.fits(&self.certificate) {
            return Err(self.fail().await);
        }
        let released = match add_noise(exact, &self.certificate).await {
            Ok(released) => released,
            Err(AnswerFailed) => return Err(self.fail().await),
        };
        match answer(&released).await {
            Ok(bytes) => self.publish(bytes).await,
            Err(AnswerFailed) => Err(self.fail().await),
        }
    }

    async fn publish(mut self, answer: Vec<u8>) -> Result<Published> {
        let answer = Opening::fresh(answer)?;
        let reserve = self.entry();
        self.ticket.disarm();
        let sealed = self
            .writer
            .ask(|reply| Request::Release(reserve, answer, reply))
            .await?;
        Ok(Published {
            answer: sealed.answer,
            entry: sealed.index,
            reserve,
            receipt: sealed.receipt,
            remaining: sealed.remaining,
            cost: self.cost,
            reused: None,
        })
    }

    /// Gives up: ABORT(failed). Nothing is refunded.
    pub async fn abort(self) {
        self.fail().await;
    }

    async fn fail(mut self) -> Error {
        let reserve = self.entry();
        self.ticket.disarm();
        match self
            .writer
            .ask(|reply| Request::Abort(reserve, Reason::Failed, Some(reply)))
            .await
        {
            Ok(_) => Error::Failed,
            Err(error) => error,
        }
    }
}

impl std::fmt::Debug for Charge {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Charge(entry {})", self.entry())
    }
}

/// Draws the noise in a thread of its own, so that a large answer does not hold up the caller's runtime.
///
/// The counts that decide which groups are answered come first: what is not answered needs no noise, and may be much.
async fn add_noise(exact: Exact, certificate: &Certificate) -> Result<Released, AnswerFailed> {
    let certificate = certificate.clone();
    let (done, noisy) = oneshot::channel();
    let spawned = std::thread::Builder::new()
        .name("salus-noise".to_owned())
        .spawn(move || {
            // Nobody may be waiting any more; the exact values end here either way.
            let _ = done.send(noisy_columns(exact, &certificate));
        });
    if spawned.is_err() {
        return Err(AnswerFailed);
    }
    noisy.await.unwrap_or(Err(AnswerFailed))
}

fn noisy_columns(exact: Exact, certificate: &Certificate) -> Result<Released, AnswerFailed> {
    let Exact {
        mut columns,
        groups,
    } = exact;
    let mechanisms = &certificate.mechanisms;
    let noise = |mechanism: &Mechanism| (mechanism.kind, mechanism.sigma.clone());
    let (mut deciding, mut noises) = (Vec::new(), Vec::new());
    for (column, mechanism) in columns.iter_mut().zip(mechanisms) {
        if let (Column::Dense(numbers), true) = (column, mechanism.threshold.is_some()) {
            deciding.push(numbers);
            noises.push(noise(mechanism));
        }
    }
    draw(deciding, &noises)?;
    let (mut columns, keys) = threshold::apply(columns, groups, certificate)?;
    let (mut others, mut noises) = (Vec::new(), Vec::new());
    for (column, mechanism) in columns.iter_mut().zip(mechanisms) {
        if mechanism.threshold.is_none() {
            others.push(column);
            noises.push(noise(mechanism));
        }
    }
    draw(others, &noises)?;
    Ok(Released { columns, keys })
}

/// Adds its noise to each column.
fn draw(mut places: Vec<&mut Vec<i128>>, noises: &[(Noise, Rational)]) -> Result<(), AnswerFailed> {
    if places.is_empty() {
        return Ok(());
    }
    let exact = places
        .iter_mut()
        .map(|place| std::mem::take(*place))
        .collect();
    let noisy = salus_mechanisms::add_noise(exact, noises).map_err(|_| AnswerFailed)?;
    for (place, column) in places.into_iter().zip(noisy) {
        *place = column;
    }
    Ok(())
}
