//! Rule W1: the witnesses that the auditor asks for have cosigned the newest checkpoint, so that nobody else is shown
//! another history under its size.

use crate::checkpoints::Heads;
use crate::keys::Keys;
use crate::policy::Policy;
use crate::records::Witnessed;
use crate::report::Finding;

pub(crate) fn check(
    policy: &Policy,
    heads: &Heads,
    keys: &Keys,
    origin: Option<&str>,
    findings: &mut Vec<Finding>,
) -> Vec<Witnessed> {
    // A key from before a change leads to the one in force, by rule K1.
    if !policy.logs.iter().any(|key| keys.has(key, origin)) {
        findings.push(Finding::whole("W1", "the policy names no key of this log"));
    }
    let index = heads.newest.and_then(|(size, _)| size.checked_sub(1));
    let mut fail = |what: String| {
        let rule = "W1";
        findings.push(Finding { index, rule, what });
    };
    let mut cosigned = Vec::new();
    let mut witnessed = Vec::new();
    for witness in &policy.witnesses {
        let mut latest = None;
        for line in heads
            .notes
            .iter()
            .flat_map(|note| witness.key.cosigned(note))
        {
            match line {
                Ok(time) => latest = latest.max(Some(time)),
                Err(error) => fail(format!("newest checkpoint: {error}")),
            }
        }
        cosigned.push(latest.is_some());
        witnessed.extend(latest.map(|time| Witnessed {
            witness: witness.name.clone(),
            key: witness.key.name.clone(),
            time,
        }));
    }
    if heads.newest.is_none() {
        fail("there is no checkpoint that could be cosigned".to_owned());
    } else if !policy.met(&cosigned) {
        let asked = policy.asked();
        let missing: Vec<String> = policy
            .witnesses
            .iter()
            .zip(&cosigned)
            .enumerate()
            .filter(|(at, (_, cosigned))| !**cosigned && asked.contains(at))
            .map(|(_, (witness, _))| format!("{:?}", witness.name))
            .collect();
        fail(format!(
            "newest checkpoint: the quorum {:?} has not cosigned it: {} of its {} witnesses have not: {}",
            policy.quorum().unwrap_or_default(),
            missing.len(),
            asked.len(),
            missing.join(", ")
        ));
    }
    witnessed
}
