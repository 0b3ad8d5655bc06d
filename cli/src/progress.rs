//! Progress on long work: a bar on a terminal, plain lines elsewhere, always on standard error.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// A bar or lines.
#[derive(Debug)]
pub(crate) enum Progress {
    Bar(ProgressBar),
    Lines {
        unit: &'static str,
        state: Mutex<(u64, u64, Instant)>,
    },
}

/// Lines are printed no more often than this.
const EVERY: Duration = Duration::from_secs(5);

impl Progress {
    /// Progress over `total` bytes.
    pub(crate) fn bytes(total: u64, what: &'static str) -> Self {
        Self::new(
            total,
            "bytes",
            what,
            "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
        )
    }

    /// Progress over `total` countable things.
    pub(crate) fn count(total: u64, unit: &'static str, what: &'static str) -> Self {
        Self::new(
            total,
            unit,
            what,
            "{msg} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}",
        )
    }

    fn new(total: u64, unit: &'static str, what: &'static str, template: &str) -> Self {
        if std::io::stderr().is_terminal() {
            let bar = ProgressBar::new(total).with_message(what);
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            return Self::Bar(bar);
        }
        Self::Lines {
            unit,
            state: Mutex::new((0, total, Instant::now())),
        }
    }

    pub(crate) fn set(&self, done: u64) {
        match self {
            Self::Bar(bar) => bar.set_position(done),
            Self::Lines { unit, state } => {
                let Ok(mut state) = state.lock() else { return };
                state.0 = done;
                if state.2.elapsed() >= EVERY {
                    state.2 = Instant::now();
                    eprintln!("{done} of {} {unit}", state.1);
                }
            }
        }
    }

    pub(crate) fn add(&self, more: u64) {
        let done = match self {
            Self::Bar(bar) => bar.position() + more,
            Self::Lines { state, .. } => state.lock().map_or(0, |state| state.0) + more,
        };
        self.set(done);
    }

    pub(crate) fn total(&self, total: u64) {
        match self {
            Self::Bar(bar) => bar.set_length(total),
            Self::Lines { state, .. } => {
                if let Ok(mut state) = state.lock() {
                    state.1 = total;
                }
            }
        }
    }

    pub(crate) fn message(&self, text: String) {
        if let Self::Bar(bar) = self {
            bar.set_message(text);
        }
    }

    pub(crate) fn finish(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}
