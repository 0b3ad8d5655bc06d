//! How a purse is used up: what was spent in all, and the cap in force, entry by entry.

mod svg;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use salus_accounting::{Delta, Epsilon, Loss};
use salus_certificate::EntryIndex;
use salus_ledger::{Body, StoredEntry};

use crate::books::{Books, plus, shown_epsilon};

/// Whose spending it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Share {
    /// All that was taken from the purse.
    Purse,
    /// What questions of one dataset took from it.
    Dataset(String),
    /// What questions of one analyst took from it. Answers that are given once more take nothing.
    Analyst(String),
}

/// Spending over time. Losses add up exactly; floats occur in drawings only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BurnDown {
    /// Whose spending it is.
    pub share: Share,
    /// The delta at which rho is shown as epsilon.
    pub conversion: Delta,
    /// Every entry that changed what was spent or the cap, in the log's order; the first is the genesis.
    pub points: Vec<Point>,
}

/// What was spent, and what could be, from one entry on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// The entry.
    pub entry: EntryIndex,
    /// Its time, in seconds since 1970-01-01T00:00:00Z; attested only.
    pub time: u64,
    /// Spent by the share, in all.
    pub spent: Loss,
    /// The cap in force on the whole purse.
    pub cap: Loss,
}

impl Point {
    /// What was spent, as an epsilon.
    pub fn epsilon(&self, conversion: Delta) -> Epsilon {
        shown_epsilon(self.spent, conversion)
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Purse => out.write_str("the purse"),
            Self::Dataset(name) => write!(out, "dataset {name}"),
            Self::Analyst(name) => write!(out, "analyst {name}"),
        }
    }
}

/// The burn-down of the purse, of each dataset and of each analyst that anything was charged to, in this order and by name. Incidents count where the
/// question counts whose price they correct. None for an empty log.
pub fn burn_down(log: &[StoredEntry]) -> Vec<BurnDown> {
    let books = Books::of(log);
    let mut shares = BTreeSet::from([Share::Purse]);
    for stored in log {
        if let Body::Reserve(reserve) = &stored.entry.body {
            let whole = books.dataset(reserve).into_iter();
            let names = whole.chain(books.parts(stored.index, reserve));
            shares.extend(names.map(|name| Share::Dataset(name.to_owned())));
            shares.insert(Share::Analyst(reserve.principal.clone()));
        }
    }
    of_shares(&books, shares)
}

/// The burn-down of one share; the empty one where nothing was ever charged to it.
pub fn burn_down_of(log: &[StoredEntry], share: &Share) -> BurnDown {
    let books = Books::of(log);
    let only = of_shares(&books, BTreeSet::from([share.clone()])).pop();
    only.unwrap_or_else(|| BurnDown {
        share: share.clone(),
        conversion: books.conversion(),
        points: Vec::new(),
    })
}

/// One pass for all shares: each point is written to the shares that it changes, and a new cap to all.
fn of_shares(books: &Books<'_>, shares: BTreeSet<Share>) -> Vec<BurnDown> {
    let Some(genesis) = books.genesis() else {
        return Vec::new();
    };
    let mut cap = genesis.cap;
    let mut lines: BTreeMap<Share, (Loss, Vec<Point>)> = shares
        .into_iter()
        .map(|share| {
            // The purse opens with what the log before this one had spent.
            let spent = match share {
                Share::Purse => genesis.opening(),
                _ => Loss::ZERO,
            };
            (share, (spent, Vec::new()))
        })
        .collect();
    for stored in books.entries() {
        let mark = |line: &mut (Loss, Vec<Point>), cap: Loss| {
            line.1.push(Point {
                entry: stored.index,
                time: stored.entry.time,
                spent: line.0,
                cap,
            });
        };
        let (reserve, loss) = match &stored.entry.body {
            Body::Genesis(_) => {
                for line in lines.values_mut() {
                    mark(line, cap);
                }
                continue;
            }
            // One of a window leaves the purse as it is.
            Body::Grant(grant) if grant.scope == genesis.scope() => {
                cap = grant.new;
                for line in lines.values_mut() {
                    mark(line, cap);
                }
                continue;
            }
            Body::Reserve(reserve) => (Some((stored.index, reserve.as_ref())), reserve.loss),
            Body::Incident(incident) => {
                let reserve = books.reserve(incident.reserve);
                (
                    reserve.map(|reserve| (incident.reserve, reserve)),
                    incident.loss,
                )
            }
            _ => continue,
        };
        let mut touched = vec![Share::Purse];
        if let Some((index, reserve)) = reserve {
            let whole = books.dataset(reserve).into_iter();
            let names = whole.chain(books.parts(index, reserve));
            touched.extend(names.map(|name| Share::Dataset(name.to_owned())));
            touched.push(Share::Analyst(reserve.principal.clone()));
        }
        for share in touched {
            if let Some(line) = lines.get_mut(&share) {
                line.0 = plus(line.0, loss);
                mark(line, cap);
            }
        }
    }
    let conversion = books.conversion();
    let lines = lines.into_iter().map(|(share, (_, points))| BurnDown {
        share,
        conversion,
        points,
    });
    lines.collect()
}

impl BurnDown {
    /// What was spent in the end.
    pub fn spent(&self) -> Loss {
        self.points.last().map_or(Loss::ZERO, |point| point.spent)
    }

    /// The cap in force in the end.
    pub fn cap(&self) -> Loss {
        self.points.last().map_or(Loss::ZERO, |point| point.cap)
    }

    /// The part of it in a period, `until` not included: the points within, between what held when it began and when it ended.
    #[must_use]
    pub fn within(&self, since: Option<u64>, until: Option<u64>) -> Self {
        let before = since.and_then(|since| {
            let mut before = self.points.iter().filter(|point| point.time < since);
            before.next_back().map(|point| Point {
                time: since,
                ..*point
            })
        });
        let within = self.points.iter().filter(|point| {
            since.is_none_or(|since| since <= point.time)
                && until.is_none_or(|until| point.time < until)
        });
        Self {
            share: self.share.clone(),
            conversion: self.conversion,
            points: before.into_iter().chain(within.copied()).collect(),
        }
    }

    /// What a drawing says in words.
    fn caption(&self) -> String {
        format!(
            "{}: rho {} spent of {}, which is epsilon {} of {} at a conversion delta of {}",
            self.share,
            self.spent().rho,
            self.cap().rho,
            shown_epsilon(self.spent(), self.conversion),
            shown_epsilon(self.cap(), self.conversion),
            self.conversion
        )
    }
}

/// A rho for drawing.
#[expect(
    clippy::cast_precision_loss,
    reason = "a drawing needs no more than its pixels; no sum is made of it"
)]
fn drawn(loss: Loss) -> f64 {
    loss.rho.units() as f64 / (1_u64 << 40) as f64
}

/// A time for drawing.
#[expect(
    clippy::cast_precision_loss,
    reason = "exact below 2^53 seconds, and a drawing needs less"
)]
fn second(time: u64) -> f64 {
    time as f64
}

/// The field that a drawing maps to its own.
#[derive(Debug, Clone, Copy)]
struct Frame {
    from: u64,
    to: u64,
    top: f64,
}

impl Frame {
    /// Times as the entries state them: they may go backwards, for nobody but the writer vouches for them.
    fn of(points: &[Point]) -> Self {
        let times = || points.iter().map(|point| point.time);
        let rhos = points.iter().flat_map(|p| [drawn(p.spent), drawn(p.cap)]);
        let top = rhos.fold(0.0, f64::max);
        Self {
            from: times().min().unwrap_or_default(),
            to: times().max().unwrap_or_default(),
            top: if top > 0.0 { top } else { 1.0 },
        }
    }

    /// Between 0 and 1, from left to right.
    fn across(&self, time: u64) -> f64 {
        let length = second(self.to.saturating_sub(self.from).max(1));
        (second(time.saturating_sub(self.from)) / length).clamp(0.0, 1.0)
    }

    /// Between 0 and 1, from the bottom up.
    fn up(&self, loss: Loss) -> f64 {
        (drawn(loss) / self.top).clamp(0.0, 1.0)
    }
}
