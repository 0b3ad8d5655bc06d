//! Rule F1 of the restricted log: one entry of a known kind, with exactly its fields, and no text.

use crate::cbor::{self, Value};
use crate::keys::Key;
use crate::quantity::Fields;
use crate::report::Malformed;

const VERSION: u64 = 1;
const LONGEST: usize = 65_535;
const WORD: usize = 64;

pub(super) enum Entry {
    Opening {
        origin: String,
        log: String,
    },
    Key(Box<Key>),
    BreakGlass,
    FollowUp {
        breakglass: u64,
        closes: bool,
    },
    /// What no rule asks about; the kind.
    Other(&'static str),
}

impl Entry {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Entry::Opening { .. } => "opening",
            Entry::Key(_) => "key",
            Entry::BreakGlass => "breakglass",
            Entry::FollowUp { .. } => "followup",
            Entry::Other(kind) => kind,
        }
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > LONGEST {
            return Err(Malformed(format!("longer than {LONGEST} bytes")));
        }
        let mut entry = Fields::of(cbor::read(bytes)?, "entry")?;
        let version = entry.take("v")?.uint("v")?;
        if version != VERSION {
            return Err(Malformed(format!("version {version} is not known")));
        }
        entry.take("time")?.uint("time")?;
        let kind = entry.take("kind")?.text("kind")?;
        let body = entry.take("body")?;
        entry.end()?;
        if kind == "key" {
            return Ok(Entry::Key(Box::new(Key::of(body)?)));
        }
        let mut body = Fields::of(body, "body")?;
        let read = read(kind, &mut body)?;
        body.end()?;
        Ok(read)
    }
}

fn read(kind: &str, body: &mut Fields<'_>) -> Result<Entry, Malformed> {
    match kind {
        "opening" => Ok(Entry::Opening {
            origin: body.take("origin")?.text("origin")?.to_owned(),
            log: body.take("log")?.text("log")?.to_owned(),
        }),
        "access" => {
            access(body)?;
            Ok(Entry::Other("access"))
        }
        "breakglass" => {
            access(body)?;
            body.take("justification")?.hash("justification")?;
            Ok(Entry::BreakGlass)
        }
        "followup" => {
            word(&body.take("principal")?, "principal")?;
            body.take("note")?.hash("note")?;
            let closes = one_of(body, "outcome", &["open", "justified", "unjustified"])? != "open";
            let breakglass = body.take("breakglass")?.uint("breakglass")?;
            Ok(Entry::FollowUp { breakglass, closes })
        }
        "expunge" => change(body, "expunge"),
        "alert" => change(body, "alert"),
        "consent" => {
            one_of(body, "act", &["deny", "permit"])?;
            change(body, "consent")
        }
        "linkage" => {
            one_of(body, "act", &["merge", "split"])?;
            change(body, "linkage")
        }
        _ => Err(Malformed(format!("kind {kind:?} is not known"))),
    }
}

fn access(body: &mut Fields<'_>) -> Result<(), Malformed> {
    for name in ["principal", "role", "purpose"] {
        word(&body.take(name)?, name)?;
    }
    for name in ["persons", "columns"] {
        body.take(name)?.hash(name)?;
    }
    Ok(())
}

fn change(body: &mut Fields<'_>, kind: &'static str) -> Result<Entry, Malformed> {
    word(&body.take("principal")?, "principal")?;
    for name in ["persons", "detail"] {
        body.take(name)?.hash(name)?;
    }
    Ok(Entry::Other(kind))
}

fn one_of(
    body: &mut Fields<'_>,
    name: &str,
    known: &[&'static str],
) -> Result<&'static str, Malformed> {
    let value = body.take(name)?;
    let text = value.text(name)?;
    let found = known.iter().find(|word| **word == text);
    found
        .copied()
        .ok_or_else(|| Malformed(format!("{name} {text:?} is not known")))
}

/// No text stands in the restricted log: what names somebody or something is one word.
fn word(value: &Value<'_>, name: &str) -> Result<(), Malformed> {
    let text = value.text(name)?;
    if (1..=WORD).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(())
    } else {
        Err(Malformed(format!(
            "{name}: not 1 to {WORD} visible ASCII characters"
        )))
    }
}
