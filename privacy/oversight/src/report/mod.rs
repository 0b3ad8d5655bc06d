//! What an officer hands to a regulator: one HTML document about one period, that needs nothing else and prints as it is.

mod changes;
mod guarantee;
mod page;
mod purse;
mod usage;
mod verify;

use salus_accounting::{Delta, Loss};
use salus_ledger::StoredEntry;

use crate::books::{Books, shown_epsilon};
use crate::burn_down::{BurnDown, Share, burn_down};
use crate::differences::Difference;
use crate::error::Result;
use crate::question::{Question, of_books};
use crate::text::escape;
use crate::time;
use page::Page;

/// From when to when; `until` is the first second that no longer belongs to it. Without them, all of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Period {
    /// First second.
    pub since: Option<u64>,
    /// Second after the last.
    pub until: Option<u64>,
}

/// What stands on the cover, and what the log does not have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cover {
    /// Who operates the system.
    pub operator: Option<String>,
    /// When the report was made, in seconds since 1970-01-01T00:00:00Z.
    pub prepared: Option<u64>,
    /// Verifier key of the log, for those who check it.
    pub vkey: Option<String>,
    /// Pairs of questions that differ by little; `None` where nobody looked. Only entries and kinds are shown: what the predicates are about lies
    /// outside the log, as the questions' texts do.
    pub differences: Option<Vec<Difference>>,
}

impl Period {
    /// From the first to the last day, both included, or between instants.
    ///
    /// # Errors
    ///
    /// [`Error::Time`](crate::Error::Time).
    pub fn parse(since: Option<&str>, until: Option<&str>) -> Result<Self> {
        Ok(Self {
            since: since.map(time::since).transpose()?,
            until: until.map(time::until).transpose()?,
        })
    }

    /// A whole year, quarter or month in UTC: `2026`, `2026-Q3` or `2026-10`.
    ///
    /// # Errors
    ///
    /// [`Error::Period`](crate::Error::Period).
    pub fn named(text: &str) -> Result<Self> {
        let (since, until) = time::period(text)?;
        Ok(Self {
            since: Some(since),
            until: Some(until),
        })
    }

    pub(crate) fn covers(self, time: u64) -> bool {
        self.since.is_none_or(|since| since <= time) && self.until.is_none_or(|until| time < until)
    }
}

impl std::fmt::Display for Period {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.since, self.until) {
            (None, None) => out.write_str("all of the ledger"),
            (Some(since), None) => write!(out, "from {} on", time::instant(since)),
            (None, Some(until)) => write!(out, "before {}", time::instant(until)),
            (Some(since), Some(until)) => write!(
                out,
                "from {} to before {}",
                time::instant(since),
                time::instant(until)
            ),
        }
    }
}

/// What the sections draw from.
struct Source<'l> {
    books: Books<'l>,
    period: Period,
    cover: &'l Cover,
    /// Of the period.
    questions: Vec<Question>,
    lines: Vec<BurnDown>,
}

impl Source<'_> {
    fn conversion(&self) -> Delta {
        self.books.conversion()
    }

    /// The purse up to the end of the period.
    fn purse(&self) -> BurnDown {
        let purse = self.lines.iter().find(|line| line.share == Share::Purse);
        let purse = purse.map(|purse| purse.within(None, self.period.until));
        purse.unwrap_or_else(|| BurnDown {
            share: Share::Purse,
            conversion: self.conversion(),
            points: Vec::new(),
        })
    }

    /// Rho and epsilon of a loss, in one cell each.
    fn shown(&self, loss: Loss) -> [String; 2] {
        [
            loss.rho.to_string(),
            shown_epsilon(loss, self.conversion()).to_string(),
        ]
    }

    fn entries(&self) -> impl Iterator<Item = &StoredEntry> {
        let all = self.books.entries().iter();
        all.filter(|stored| self.period.covers(stored.entry.time))
    }
}

/// The report on a period. The same log, period and cover give the same bytes.
pub fn report(log: &[StoredEntry], period: Period, cover: &Cover) -> String {
    let books = Books::of(log);
    let mut questions = of_books(&books);
    questions.retain(|question| period.covers(question.time));
    let source = Source {
        period,
        cover,
        questions,
        lines: burn_down(log),
        books,
    };
    let mut page = Page::default();
    guarantee::write(&mut page, &source);
    purse::write(&mut page, &source);
    usage::write(&mut page, &source);
    changes::write(&mut page, &source);
    verify::write(&mut page, &source);
    document(&source, &page.into_html())
}

fn document(source: &Source<'_>, sections: &str) -> String {
    let origin = source.books.genesis();
    let origin = origin.map_or("a list of entries without a genesis", |genesis| {
        genesis.origin.as_str()
    });
    let operator = source.cover.operator.as_deref();
    let operator = operator.map_or_else(String::new, |name| format!("{} · ", escape(name)));
    let prepared = source.cover.prepared.map_or_else(String::new, |prepared| {
        format!(" · prepared {}", time::instant(prepared))
    });
    let period = escape(&source.period.to_string());
    let origin = escape(origin);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>Privacy report: {origin}, {period}</title>\n<style>\n{}</style>\n</head>\n<body>\n<header>\n<h1>Privacy report</h1>\n\
         <p class=\"lead\">{operator}ledger <code>{origin}</code> · {period}{prepared}</p>\n</header>\n<main>\n<section>{sections}</section>\n</main>\n</body>\n</html>\n",
        include_str!("style.css")
    )
}
