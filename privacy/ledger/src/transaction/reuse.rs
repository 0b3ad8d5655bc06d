//! Answers that are given once more.

use salus_accounting::Loss;
use salus_certificate::{Bounds, Certificate, EntryIndex, Mechanism};

use super::{Draft, Released, Transaction};
use crate::commitment::Opening;
use crate::entry::{Body, Limit, Reserve, Reuse, Share};
use crate::error::{ReserveError, Result, integrity};
use crate::{limits, store};

/// Whether an answer that was given under `given` is the one that `wanted` asks for, no less accurate in any of its columns.
fn is_as_good(given: &Certificate, wanted: &Certificate) -> bool {
    let place = |c: &Certificate| (c.dataset, c.snapshot, c.catalog, c.policy);
    // Other words may take other steps to the same plan; the plan is compared beside this.
    let bounds = |b: &Bounds| (b.rows_per_person, b.groups_per_person, b.cells, b.weighted);
    let columns = given.mechanisms.iter().zip(&wanted.mechanisms);
    place(given) == place(wanted)
        && given.unit == wanted.unit
        && given
            .releases
            .iter()
            .map(bounds)
            .eq(wanted.releases.iter().map(bounds))
        && given.mechanisms.len() == wanted.mechanisms.len()
        && columns.into_iter().all(|(given, wanted)| {
            let what = |m: &Mechanism| (m.kind, m.release, m.aggregate, m.bound, m.values);
            let shows_as_much = match (given.threshold, wanted.threshold) {
                (None, None) => true,
                (Some(a), Some(b)) => a.minimum == b.minimum && a.tau <= b.tau,
                _ => false,
            };
            what(given) == what(wanted) && given.sigma <= wanted.sigma && shows_as_much
        })
}

/// What became of a request.
pub(crate) enum Former {
    New,
    Open,
    Failed,
    /// It was another question.
    Another,
    /// The reserve, its loss and the release.
    Answered(EntryIndex, Loss, Released),
}

impl Transaction<'_> {
    /// What became of the request that came under the draft's key before.
    pub(crate) async fn former(&mut self, draft: &Draft) -> Result<Former> {
        self.flush().await?;
        let reserve = match &draft.retry {
            Some(key) => store::retry(self.db, key).await?,
            None => None,
        };
        let Some(first) = reserve else {
            return Ok(Former::New);
        };
        let question = store::opening(self.db, first, "question").await?;
        let same = |a: Option<Opening>, b: &Opening| a.is_some_and(|a| a.content == b.content);
        // Her key stands for a RESERVE, or for the REUSE that repeated another's answer.
        let (reserve, reused) = match self.body(first).await? {
            Some(Body::Reserve(_)) => (first, None),
            Some(Body::Reuse(reuse)) => match self.body(reuse.release).await? {
                Some(Body::Release(release)) => (release.reserve, Some(first)),
                _ => return Err(integrity("a reuse is not of a release")),
            },
            _ => return Err(integrity("a key is not of a request")),
        };
        let Some(Body::Reserve(body)) = self.body(reserve).await? else {
            return Err(integrity("a release is not of a reserve"));
        };
        let plan = store::opening(self.db, reserve, "plan").await?;
        let noise = |c: &Certificate| -> Vec<_> {
            let noise = |m: &Mechanism| (m.kind, m.sigma.clone(), m.threshold);
            c.mechanisms.iter().map(noise).collect()
        };
        // An answer that was repeated may be better than what was asked for, and is the same request all the same.
        let as_priced = reused.is_some() || noise(&body.certificate) == noise(&draft.certificate);
        if !same(question, &draft.question) || !same(plan, &draft.plan) || !as_priced {
            return Ok(Former::Another);
        }
        let Some(ending) = store::ending(self.db, reserve).await? else {
            return Ok(Former::Open);
        };
        let ending = EntryIndex(ending);
        let answer = store::opening(self.db, ending, "answer").await?;
        let stored = store::entry(self.db, ending).await?;
        Ok(match (answer, stored) {
            (Some(answer), Some(stored)) => {
                let loss = match reused {
                    None => body.loss,
                    Some(_) => Loss::ZERO,
                };
                let released = Released {
                    index: ending,
                    bytes: stored.bytes,
                    answer,
                    reused: reused.map(|reuse| (reuse, reserve)),
                };
                Former::Answered(reserve, loss, released)
            }
            _ => Former::Failed,
        })
    }

    /// Gives an answer once more: the newest one to the same plan, keys and snapshot, under the same bounds, that is at least as accurate.
    /// `None` if there is none, or if what opens it was erased.
    pub(crate) async fn reuse(&mut self, draft: &Draft) -> Result<Option<Released>> {
        self.flush().await?;
        if let Some(key) = &draft.retry
            && store::retry(self.db, key).await?.is_some()
        {
            return Ok(None);
        }
        let grounds = self.check_references(&draft.certificate).await?;
        let hers = |limit: &&Limit| limit.of == Share::Analyst;
        let hers: Vec<_> = grounds.policy.limits.iter().filter(hers).cloned().collect();
        let rules = limits::Rules {
            limits: &hers,
            policy: grounds.policy_entry,
            caps: &self.caps.clone(),
        };
        for (reserve, release) in store::same_plan(self.db, &draft.fingerprint()).await? {
            let Some(Body::Reserve(body)) = self.body(reserve).await? else {
                return Err(integrity("a plan is not of a reserve"));
            };
            let Reserve {
                certificate, loss, ..
            } = *body;
            if !is_as_good(&certificate, &draft.certificate) {
                continue;
            }
            // What the fingerprint promises is looked at.
            let plan = store::opening(self.db, reserve, "plan").await?;
            let keys = store::opening(self.db, reserve, "keys").await?;
            let same = |a: Option<Opening>, b: &Opening| a.is_some_and(|a| a.content == b.content);
            let answer = store::opening(self.db, release, "answer").await?;
            let stored = store::entry(self.db, release).await?;
            let (true, true, Some(answer), Some(stored)) = (
                same(plan, &draft.plan),
                same(keys, &draft.keys),
                answer,
                stored,
            ) else {
                continue;
            };
            // It costs no privacy, and counts as hers. One that her limits do not let through may still be paid for at the price she asks at.
            let datasets = grounds.datasets(&draft.certificate);
            let asker = self.asker(draft, &datasets);
            let accounts = match limits::movements(self.db, &rules, asker, loss).await {
                Ok(accounts) => accounts,
                Err(ReserveError::Ledger(error)) => return Err(error),
                Err(_) => continue,
            };
            let body = Reuse {
                principal: draft.principal.clone(),
                roles: draft.roles.clone(),
                purpose: draft.purpose.clone(),
                question: draft.question.commitment(),
                release,
                accounts: accounts.clone(),
            };
            let (index, _) = self.append(Body::Reuse(body))?;
            limits::book(self.db, &accounts).await?;
            self.open_with(index, "question", draft.question.clone());
            if let Some(key) = &draft.retry {
                self.flush().await?;
                store::insert_retry(self.db, key, index).await?;
            }
            return Ok(Some(Released {
                index: release,
                bytes: stored.bytes,
                answer,
                reused: Some((index, reserve)),
            }));
        }
        Ok(None)
    }
}
