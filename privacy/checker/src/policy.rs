//! Which logs an auditor knows, which witnesses she asks for, and how many of them.
//!
//! Source: <https://c2sp.org/tlog-policy>.

use crate::cosignature::WitnessKey;
use crate::note::decimal;
use crate::vkey::VerifierKey;

/// The name that stands for no quorum at all.
const NONE: &[u8] = b"none";

/// Why a policy is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("policy{at}: {what}", at = self.line.map(|n| format!(" line {n}")).unwrap_or_default())]
pub struct PolicyError {
    /// Line, from 1; `None` if the whole lacks something.
    pub line: Option<usize>,
    /// What is wrong there.
    pub what: String,
}

/// A witness as the policy names it.
#[derive(Debug, Clone)]
pub(crate) struct Witness {
    pub(crate) name: String,
    pub(crate) key: WitnessKey,
}

#[derive(Debug, Clone)]
enum Node {
    /// Position among the witnesses.
    Witness(usize),
    /// At least so many of these, which are all defined earlier.
    Group { least: usize, members: Vec<usize> },
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Quorum {
    /// Its line has not been read.
    #[default]
    Missing,
    /// `none`
    NotAsked,
    /// Position among the nodes.
    Of(usize),
}

/// A C2SP tlog-policy.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    pub(crate) logs: Vec<VerifierKey>,
    pub(crate) witnesses: Vec<Witness>,
    /// Witnesses and groups by name, in the order of their lines. Names are octets.
    nodes: Vec<(Vec<u8>, Node)>,
    /// Those that are a group's member, which can be so once.
    members: Vec<usize>,
    quorum: Quorum,
}

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    /// [`PolicyError`] for a line that is not understood, and for a file without a quorum.
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        let mut policy = Policy::default();
        for (number, line) in (1_usize..).zip(bytes.split(|byte| *byte == b'\n')) {
            policy.line(line).map_err(|what| PolicyError {
                line: Some(number),
                what,
            })?;
        }
        if policy.quorum == Quorum::Missing {
            let what = "there is no `quorum`".to_owned();
            return Err(PolicyError { line: None, what });
        }
        Ok(policy)
    }

    fn line(&mut self, line: &[u8]) -> Result<(), String> {
        if line
            .iter()
            .any(|b| (*b < b' ' && *b != b'\t') || *b == 0x7f)
        {
            return Err("a control character".to_owned());
        }
        let mut items = line
            .split(|byte| matches!(byte, b' ' | b'\t'))
            .filter(|item| !item.is_empty());
        let Some(directive) = items.next().filter(|first| !first.starts_with(b"#")) else {
            return Ok(());
        };
        let items: Vec<&[u8]> = items.collect();
        match (directive, items.as_slice()) {
            (b"log", [key] | [key, _]) => self.log(key),
            (b"witness", [name, key] | [name, key, _]) => self.witness(name, key),
            (b"group", [name, least, members @ ..]) => self.group(name, least, members),
            (b"quorum", [name]) => self.set_quorum(name),
            (b"log", _) => Err("a log is `log <vkey> [<url>]`".to_owned()),
            (b"witness", _) => Err("a witness is `witness <name> <vkey> [<url>]`".to_owned()),
            (b"group", _) => Err("a group is `group <name> <k|any|all> <member>...`".to_owned()),
            (b"quorum", _) => Err("a quorum is `quorum <name|none>`".to_owned()),
            (other, _) => Err(format!("{:?} is not known", shown(other))),
        }
    }

    fn log(&mut self, key: &[u8]) -> Result<(), String> {
        let key = VerifierKey::parse(&shown(key)).map_err(|error| error.to_string())?;
        if self.logs.iter().any(|log| log.public() == key.public()) {
            return Err("the key of a log stands twice".to_owned());
        }
        self.logs.push(key);
        Ok(())
    }

    fn witness(&mut self, name: &[u8], key: &[u8]) -> Result<(), String> {
        let key = WitnessKey::parse(&shown(key)).map_err(|error| error.to_string())?;
        if self.witnesses.iter().any(|w| w.key.public == key.public) {
            return Err("the key of a witness stands twice".to_owned());
        }
        self.define(name, Node::Witness(self.witnesses.len()))?;
        let name = shown(name);
        self.witnesses.push(Witness { name, key });
        Ok(())
    }

    fn group(&mut self, name: &[u8], least: &[u8], members: &[&[u8]]) -> Result<(), String> {
        let least = match least {
            b"any" => 1,
            b"all" => members.len(),
            number => decimal(&shown(number))
                .ok()
                .and_then(|number| usize::try_from(number).ok())
                .ok_or("how many is a number, `any` or `all`")?,
        };
        if least == 0 || least > members.len() {
            return Err(format!("{least} of {} members", members.len()));
        }
        let members = members
            .iter()
            .map(|member| self.find(member))
            .collect::<Result<Vec<_>, _>>()?;
        for member in &members {
            // So that each witness counts in one way only.
            if self.members.contains(member) {
                return Err("a name is a member twice".to_owned());
            }
            self.members.push(*member);
        }
        self.define(name, Node::Group { least, members })
    }

    fn set_quorum(&mut self, name: &[u8]) -> Result<(), String> {
        if self.quorum != Quorum::Missing {
            return Err("a second quorum".to_owned());
        }
        self.quorum = match name {
            NONE => Quorum::NotAsked,
            name => Quorum::Of(self.find(name)?),
        };
        Ok(())
    }

    fn define(&mut self, name: &[u8], node: Node) -> Result<(), String> {
        if name == NONE || self.find(name).is_ok() {
            return Err(format!("the name {:?} is taken", shown(name)));
        }
        self.nodes.push((name.to_owned(), node));
        Ok(())
    }

    fn find(&self, name: &[u8]) -> Result<usize, String> {
        let found = self.nodes.iter().position(|(known, _)| known == name);
        found.ok_or(format!("{:?} is not defined before", shown(name)))
    }

    /// Name of the quorum, or `None` where none is asked for.
    pub(crate) fn quorum(&self) -> Option<String> {
        let (name, _) = self.nodes.get(self.top()?)?;
        Some(shown(name))
    }

    fn top(&self) -> Option<usize> {
        match self.quorum {
            Quorum::Of(node) => Some(node),
            Quorum::Missing | Quorum::NotAsked => None,
        }
    }

    /// True if the quorum has cosigned, given which witnesses have.
    pub(crate) fn met(&self, cosigned: &[bool]) -> bool {
        let mut met: Vec<bool> = Vec::new();
        let holds = |met: &[bool], at: usize| met.get(at).copied().unwrap_or_default();
        // Each group is below its members: one pass in the order of the lines.
        for (_, node) in &self.nodes {
            met.push(match node {
                Node::Witness(witness) => holds(cosigned, *witness),
                Node::Group { least, members } => {
                    members.iter().filter(|at| holds(&met, **at)).count() >= *least
                }
            });
        }
        self.top().is_none_or(|quorum| holds(&met, quorum))
    }

    /// The positions of the witnesses that the quorum is made of.
    pub(crate) fn asked(&self) -> Vec<usize> {
        let mut below: Vec<usize> = self.top().into_iter().collect();
        let mut witnesses = Vec::new();
        while let Some(at) = below.pop() {
            match self.nodes.get(at) {
                Some((_, Node::Witness(witness))) => witnesses.push(*witness),
                Some((_, Node::Group { members, .. })) => below.extend(members),
                None => {}
            }
        }
        witnesses.sort_unstable();
        witnesses
    }
}

/// Names are octets; keys are text or no keys.
fn shown(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}
