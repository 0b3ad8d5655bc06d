//! C2SP tlog-policy: which log, which witnesses, and how many of them (<https://c2sp.org/tlog-policy>).

use std::collections::{BTreeMap, BTreeSet};

use salus_ledger::cosign::WitnessKey;
use salus_ledger::note::Verifier;

/// A line of a policy that is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct PolicyError {
    /// Counted from one; 0 for the whole.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

/// A witness of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) name: String,
    pub(crate) key: WitnessKey,
    pub(crate) url: Option<String>,
}

/// Who must have signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Keys of the log.
    pub logs: Vec<Verifier>,
    pub(crate) witnesses: Vec<Asked>,
    groups: BTreeMap<String, (usize, Vec<String>)>,
    /// `None`: no witness is needed.
    quorum: Option<String>,
}

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] for a line that is not understood, a name that is not known or given twice, or no quorum.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let mut policy = Self {
            logs: Vec::new(),
            witnesses: Vec::new(),
            groups: BTreeMap::new(),
            quorum: None,
        };
        let mut quorum = false;
        for (number, line) in (1_usize..).zip(text.lines()) {
            let words: Vec<&str> = line
                .split_whitespace()
                .take_while(|word| !word.starts_with('#'))
                .collect();
            let fails = |what: &str| PolicyError {
                line: number,
                what: what.to_owned(),
            };
            match words.as_slice() {
                [] => {}
                ["log", key] | ["log", key, _] => policy
                    .logs
                    .push(Verifier::parse(key).map_err(|_| fails("the log's key cannot be read"))?),
                ["witness", name, key, rest @ ..] if rest.len() <= 1 => {
                    policy.expect_new(name).map_err(|what| fails(&what))?;
                    let key = WitnessKey::parse(key)
                        .map_err(|_| fails("the witness's key cannot be read"))?;
                    if policy.witnesses.iter().any(|known| known.key == key) {
                        return Err(fails("two witnesses have the same key"));
                    }
                    policy.witnesses.push(Asked {
                        name: (*name).to_owned(),
                        key,
                        url: rest.first().map(ToString::to_string),
                    });
                }
                ["group", name, least, members @ ..] if !members.is_empty() => {
                    policy.expect_new(name).map_err(|what| fails(&what))?;
                    let different: BTreeSet<_> = members.iter().collect();
                    if different.len() != members.len() {
                        return Err(fails("a member is named twice"));
                    }
                    if let Some(unknown) = members.iter().find(|member| !policy.knows(member)) {
                        return Err(fails(&format!("{unknown} is not known yet")));
                    }
                    let least = match *least {
                        "any" => 1,
                        "all" => members.len(),
                        number => number.parse().unwrap_or(0),
                    };
                    if least == 0 || least > members.len() {
                        return Err(fails(
                            "a group needs one of its members at least, and not more than it has",
                        ));
                    }
                    let members = members.iter().map(ToString::to_string).collect();
                    policy.groups.insert((*name).to_owned(), (least, members));
                }
                ["quorum", name] if !quorum => {
                    quorum = true;
                    if *name != "none" {
                        if !policy.knows(name) {
                            return Err(fails(&format!("{name} is not known")));
                        }
                        policy.quorum = Some((*name).to_owned());
                    }
                }
                _ => {
                    return Err(fails(
                        "not understood; a policy has lines `log`, `witness`, `group` and one `quorum`",
                    ));
                }
            }
        }
        if quorum {
            Ok(policy)
        } else {
            Err(PolicyError {
                line: 0,
                what: "there is no `quorum`; `quorum none` says that none is needed".to_owned(),
            })
        }
    }

    fn knows(&self, name: &str) -> bool {
        self.groups.contains_key(name) || self.witnesses.iter().any(|known| known.name == name)
    }

    fn expect_new(&self, name: &str) -> Result<(), String> {
        if name == "none" || self.knows(name) {
            Err(format!("{name} is taken"))
        } else {
            Ok(())
        }
    }

    /// Whether these witnesses are enough.
    pub fn is_met(&self, signed: &BTreeSet<&str>) -> bool {
        self.quorum
            .as_deref()
            .is_none_or(|quorum| self.holds(quorum, signed))
    }

    fn holds(&self, name: &str, signed: &BTreeSet<&str>) -> bool {
        // A group names only what stands before it, so this ends.
        match self.groups.get(name) {
            None => signed.contains(name),
            Some((least, members)) => {
                let held = members.iter().filter(|member| self.holds(member, signed));
                held.count() >= *least
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let signer = salus_ledger::key::generate(&dir.path().join("k"), name).unwrap();
        WitnessKey::of(&signer).to_string()
    }

    fn policy() -> String {
        format!(
            "# who watches\nwitness a {}\nwitness b {} http://b.example/\nwitness c {}\ngroup two 2 a b c # of three\ngroup all-of-it all two c\nquorum two\n",
            key("a.example"),
            key("b.example"),
            key("c.example")
        )
    }

    #[test]
    fn a_quorum_counts_who_signed() {
        let text = policy();
        let policy = Policy::parse(&text).unwrap();
        let met = |names: &[&str]| policy.is_met(&names.iter().copied().collect());
        assert!(met(&["a", "b"]) && met(&["b", "c"]) && met(&["a", "b", "c"]));
        assert!(!met(&[]) && !met(&["a"]) && !met(&["a", "stranger"]));
        let nested = Policy::parse(&text.replace("quorum two", "quorum all-of-it")).unwrap();
        assert!(!nested.is_met(&["a", "b"].into()));
        assert!(nested.is_met(&["a", "c"].into()));
        let none = Policy::parse(&text.replace("quorum two", "quorum none")).unwrap();
        assert!(none.is_met(&[].into()));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let text = policy();
        for (from, to) in [
            ("quorum two\n", ""),
            ("quorum two", "quorum three"),
            ("quorum two", "quorum two\nquorum a"),
            ("group two 2", "group two 4"),
            ("group two 2", "group two 0"),
            ("group two 2", "group a 2"),
            ("2 a b c", "2 a a c"),
            ("2 a b c", "2 a b d"),
            ("# who", "who"),
            ("witness a ", "witness none "),
            ("witness b", "witness a"),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text);
            assert!(Policy::parse(&changed).is_err(), "{changed}");
        }
    }
}
