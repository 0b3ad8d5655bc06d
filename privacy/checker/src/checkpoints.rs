//! Second half of rule T1, and T2: signatures, and the recomputed roots against those that were signed.

use crate::ahead;
use crate::align::Aligned;
use crate::note::{Checkpoint, Note, NoteError};
use crate::references::References;
use crate::report::Finding;
use crate::tree::{Hash, roots_at};
use crate::vkey::VerifierKey;

/// Largest size that any of these checkpoints states, signed or not.
pub(crate) fn claimed_size(checkpoints: &[Vec<u8>]) -> Option<u64> {
    checkpoints
        .iter()
        .filter_map(|bytes| Note::parse(bytes).ok())
        .filter_map(|note| Checkpoint::parse(note.text()).ok())
        .map(|checkpoint| checkpoint.size)
        .max()
}

/// The tree's side of the evidence.
pub(crate) struct Signed<'a> {
    pub(crate) checkpoints: &'a [Vec<u8>],
    pub(crate) vkey: &'a str,
}

/// The checkpoints with a good signature.
pub(crate) struct Heads {
    /// Size and root of the newest.
    pub(crate) newest: Option<(u64, Hash)>,
    /// The newest, once for each copy: the lines of its witnesses may stand under different ones.
    pub(crate) notes: Vec<Note>,
    pub(crate) count: u64,
}

pub(crate) fn check(
    signed: &Signed<'_>,
    log: &References,
    aligned: &Aligned<'_>,
    findings: &mut Vec<Finding>,
) -> Heads {
    let trusted = match VerifierKey::from_file(signed.vkey) {
        Ok(key) => Some(key),
        Err(error) => {
            findings.push(Finding::whole("T2", format!("verifier key: {error}")));
            None
        }
    };
    if let (Some(key), Some(origin)) = (&trusted, &log.origin)
        && key.name() != origin
    {
        let what = format!(
            "the verifier key is {:?}'s, the genesis {origin:?}'s",
            key.name()
        );
        findings.push(Finding::at(0, "T2", what));
    }
    let mut good = authentic(signed.checkpoints, trusted.as_ref(), log, findings);
    good.sort_by_key(|(checkpoint, _)| checkpoint.size);
    match good.last() {
        None => findings.push(Finding::whole("T1", "no checkpoint with a good signature")),
        Some((newest, _)) => sizes(newest.size, aligned, findings),
    }
    let (good, mut notes): (Vec<Checkpoint>, Vec<Note>) = good.into_iter().unzip();
    roots(&good, aligned, findings);
    let newest = notes.last().map(|note| note.text().to_owned());
    notes.retain(|note| newest.as_deref() == Some(note.text()));
    Heads {
        newest: good.last().map(|newest| (newest.size, newest.root)),
        notes,
        count: u64::try_from(good.len()).unwrap_or(u64::MAX),
    }
}

/// One checkpoint with what its signatures are worth: most of the work, and of each by itself.
struct Tried {
    checkpoint: Checkpoint,
    note: Note,
    /// The key entry in force, and its key.
    named: Option<(u64, [u8; 32])>,
    key: Option<VerifierKey>,
    /// Whether the key in force has signed, where there is one, and whether the trusted one has. `None` for a foreign origin.
    signed: Option<(Option<Result<(), NoteError>>, bool)>,
}

impl Tried {
    fn of(
        bytes: &[u8],
        trusted: Option<&VerifierKey>,
        log: &References,
    ) -> Result<Self, NoteError> {
        let note = Note::parse(bytes)?;
        let checkpoint = Checkpoint::parse(note.text())?;
        let named = log.key_in_force(checkpoint.size);
        let key = named.map(|(_, public)| VerifierKey::new(&checkpoint.origin, public));
        // Where genesis and verifier key differ, entry 0 is named for it, and not each checkpoint as well.
        let origins = [log.origin.as_deref(), trusted.map(VerifierKey::name)];
        let signed = origins.contains(&Some(&checkpoint.origin)).then(|| {
            let by_log = key.as_ref().map(|key| note.verify(key));
            let by_trusted = match (&by_log, trusted) {
                (Some(by_log), Some(trusted)) if key.as_ref() == Some(trusted) => by_log.is_ok(),
                (_, Some(trusted)) => note.verify(trusted).is_ok(),
                (_, None) => false,
            };
            (by_log, by_trusted)
        });
        Ok(Tried {
            checkpoint,
            note,
            named,
            key,
            signed,
        })
    }
}

/// The checkpoints that the log's own key of the time, or the trusted key, has signed. Any other is a finding.
fn authentic(
    checkpoints: &[Vec<u8>],
    trusted: Option<&VerifierKey>,
    log: &References,
    findings: &mut Vec<Finding>,
) -> Vec<(Checkpoint, Note)> {
    let mut good = Vec::new();
    // Good signatures by the trusted key where the log names another: the key entry is at fault, once.
    let mut disowned: Vec<Option<u64>> = Vec::new();
    let mut newest: Option<(u64, Vouched)> = None;
    let read = |_, bytes: &Vec<u8>| Tried::of(bytes, trusted, log);
    ahead::in_order(checkpoints, read, |position, tried| {
        let Tried {
            checkpoint,
            note,
            named,
            key,
            signed,
        } = match tried {
            Ok(tried) => tried,
            Err(error) => {
                findings.push(Finding::whole(
                    "T2",
                    format!("checkpoint no. {position}: {error}"),
                ));
                return;
            }
        };
        let Checkpoint { size, .. } = checkpoint;
        // The index tells the size: alike texts are one line of the report.
        let mut fail = |what: String| {
            let (index, rule) = (size.checked_sub(1), "T2");
            let what = format!("checkpoint that ends here: {what}");
            findings.push(Finding { index, rule, what });
        };
        let Some((by_log, by_trusted)) = signed else {
            fail(format!("its origin is {:?}", checkpoint.origin));
            return;
        };
        match by_log {
            Some(Ok(())) => {}
            _ if by_trusted => {
                let entry = named.map(|(index, _)| index);
                if !disowned.contains(&entry) {
                    disowned.push(entry);
                    let what =
                        "signed by the verifier key, which no key entry before it puts in force";
                    let what = format!("checkpoint of size {size}: {what}");
                    findings.push(Finding {
                        index: entry,
                        rule: "T2",
                        what,
                    });
                }
            }
            Some(Err(error)) => {
                fail(error.to_string());
                return;
            }
            None => {
                fail("no key is in force".to_owned());
                return;
            }
        }
        if newest.is_none_or(|(largest, _)| size >= largest) {
            let vouched = match named {
                _ if !by_trusted => Vouched::Not,
                Some((index, _)) if key.as_ref() != trusted => Vouched::ByAStranger(index),
                _ => Vouched::ByItsKey,
            };
            newest = Some((size, vouched));
        }
        good.push((checkpoint, note));
    });
    // The trusted key vouches for everything below the newest checkpoint, through its root.
    match (newest, trusted) {
        (Some((size, Vouched::Not)), Some(_)) => {
            let what =
                format!("checkpoint of size {size}, the newest, is not signed by the verifier key");
            findings.push(Finding {
                index: size.checked_sub(1),
                rule: "T2",
                what,
            });
        }
        (Some((_, Vouched::ByAStranger(entry))), Some(_)) if !disowned.contains(&Some(entry)) => {
            let what = "the verifier key is not that of the last key entry".to_owned();
            findings.push(Finding {
                index: Some(entry),
                rule: "T2",
                what,
            });
        }
        _ => {}
    }
    good
}

/// What the verifier key has to do with a checkpoint that has a good signature.
#[derive(Clone, Copy)]
enum Vouched {
    /// It signed, and is the key in force.
    ByItsKey,
    /// It signed, but this key entry puts another in force: anybody can add a signature.
    ByAStranger(u64),
    /// It did not sign.
    Not,
}

/// Entries that are missing below the newest checkpoint or stand beyond it.
fn sizes(newest: u64, aligned: &Aligned<'_>, findings: &mut Vec<Finding>) {
    let here = u64::try_from(aligned.slots.len()).unwrap_or(u64::MAX);
    if here < newest {
        let last = newest.saturating_sub(1);
        let what = format!("missing: entries {here} to {last} are below the newest checkpoint");
        findings.push(Finding::at(here, "T1", what));
    } else if here > newest {
        let last = here.saturating_sub(1);
        let what = format!("extra: entries {newest} to {last} are below no checkpoint");
        findings.push(Finding::at(newest, "T1", what));
    }
}

/// Compares roots in order of size. A checkpoint that fails although a larger one agrees was signed over another
/// history (T2); the first that fails beyond all that agree bounds the changed entries (T1).
fn roots(good: &[Checkpoint], aligned: &Aligned<'_>, findings: &mut Vec<Finding>) {
    let agrees = {
        let hashes = aligned.hashes.iter().copied();
        let bytes = matching(good, hashes);
        // Where the stored hashes give the signed root, the changed entry has been named by its leaf hash.
        let leaves = match aligned.stored {
            Some(stored) if bytes.contains(&false) => {
                matching(good, stored.iter().copied().map(Some))
            }
            _ => vec![false; good.len()],
        };
        bytes
            .into_iter()
            .zip(leaves)
            .map(|(bytes, leaves)| bytes || leaves)
    };
    let here = u64::try_from(aligned.slots.len()).unwrap_or(u64::MAX);
    let checked: Vec<(u64, bool)> = good
        .iter()
        .map(|checkpoint| checkpoint.size)
        .zip(agrees)
        .filter(|(size, _)| *size <= here)
        .collect();
    let sound = checked
        .iter()
        .filter(|(_, agrees)| *agrees)
        .map(|(size, _)| *size)
        .max();
    let sound = sound.unwrap_or_default();
    for (size, _) in checked
        .iter()
        .filter(|(size, agrees)| !agrees && *size <= sound)
    {
        let what =
            "checkpoint that ends here: its root is not that of the entries, a larger one's is"
                .to_owned();
        let index = size.checked_sub(1);
        findings.push(Finding {
            index,
            rule: "T2",
            what,
        });
    }
    if let Some((size, _)) = checked
        .iter()
        .find(|(size, agrees)| !agrees && *size > sound)
    {
        let last = size.saturating_sub(1);
        let what = if sound == last {
            format!("changed: the root of the checkpoint of size {size} is another")
        } else {
            format!(
                "entries {sound} to {last}, one or more changed: the root of the checkpoint of size {size} is another"
            )
        };
        findings.push(Finding::at(last, "T1", what));
    }
}

/// For each checkpoint, sorted by size: whether the root over that many of these hashes is the signed one.
fn matching(good: &[Checkpoint], hashes: impl Iterator<Item = Option<Hash>>) -> Vec<bool> {
    let sizes = good.iter().map(|checkpoint| checkpoint.size);
    roots_at(sizes, hashes)
        .into_iter()
        .zip(good)
        .map(|(root, checkpoint)| root == Some(checkpoint.root))
        .collect()
}
