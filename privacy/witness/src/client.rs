//! Asking a quorum of witnesses.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use salus_ledger::cosign::{CosignRequest, Cosigned, Proofs, Witnesses, note_parts};
use salus_ledger::{Error, Result};

use crate::policy::{Asked, Policy};
use crate::{PolicyError, Request};

/// How long one witness is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

const OTHER_HISTORY: &str = "a witness has signed another history of this ledger: it was put back to an earlier state, or replaced. \
     Put the newest state back; what was spent since is not given back";

/// The witnesses of a policy, asked one after the other until the quorum is met.
#[derive(Debug)]
pub struct Quorum {
    policy: Policy,
    client: reqwest::Client,
    /// Entries that each has signed, as far as is known here.
    signed: Mutex<BTreeMap<String, u64>>,
}

impl Quorum {
    /// The quorum of `policy`.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] if the witnesses that have addresses are not enough.
    pub fn new(policy: Policy) -> Result<Self, PolicyError> {
        let asked = policy.witnesses.iter().filter(|asked| asked.url.is_some());
        let reachable: BTreeSet<&str> = asked.map(|asked| asked.name.as_str()).collect();
        if !policy.is_met(&reachable) {
            return Err(PolicyError {
                line: 0,
                what: "too few witnesses have an address; it stands after the key".to_owned(),
            });
        }
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|_| PolicyError {
                line: 0,
                what: "no HTTP client can be made".to_owned(),
            })?;
        Ok(Self {
            policy,
            client,
            signed: Mutex::new(BTreeMap::new()),
        })
    }

    fn known(&self, name: &str) -> u64 {
        let signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        signed.get(name).copied().unwrap_or(0)
    }

    fn learn(&self, name: &str, size: u64) {
        let mut signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        signed.insert(name.to_owned(), size);
    }

    /// The line of this witness; `None` if it cannot be had now.
    async fn ask(
        &self,
        asked: &Asked,
        request: &CosignRequest,
        (text, note): (&str, &str),
        proofs: &mut dyn Proofs,
    ) -> Result<Option<Cosigned>> {
        let Some(url) = &asked.url else {
            return Ok(None);
        };
        let address = format!("{}/add-checkpoint", url.trim_end_matches('/'));
        let mut old = self.known(&asked.name);
        // The second time with the size that the witness has told.
        for _ in 0..2 {
            let body = Request {
                old,
                proof: proofs.consistency(old).await?,
                note: note.to_owned(),
            }
            .encode();
            let Ok(response) = self.client.post(&address).body(body).send().await else {
                return Ok(None);
            };
            let status = response.status();
            let told = response.headers().get(CONTENT_TYPE);
            let tells_size = told.is_some_and(|told| told == "text/x.tlog.size");
            let Ok(answer) = response.text().await else {
                return Ok(None);
            };
            match status {
                StatusCode::OK => {
                    let line = answer.split_inclusive('\n').find(|line| {
                        asked
                            .key
                            .cosigned(line.trim_end_matches('\n'), text)
                            .is_some()
                    });
                    if line.is_some() {
                        self.learn(&asked.name, request.size);
                    }
                    return Ok(line.map(|line| Cosigned::Lines(line.to_owned())));
                }
                StatusCode::CONFLICT if tells_size => {
                    let Ok(size) = answer.trim_end_matches('\n').parse() else {
                        return Ok(None);
                    };
                    if size > request.size {
                        return Ok(Some(Cosigned::Ahead(size)));
                    }
                    old = size;
                }
                StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY => {
                    return Err(Error::Integrity(OTHER_HISTORY.to_owned()));
                }
                _ => return Ok(None),
            }
        }
        Ok(None)
    }

    async fn all(&self, request: CosignRequest, proofs: &mut dyn Proofs) -> Result<Cosigned> {
        let (text, _) = note_parts(&request.note).map_err(|_| Error::Bug("a note that is none"))?;
        let note = String::from_utf8_lossy(&request.note).into_owned();
        let mut lines = String::new();
        let mut signed = BTreeSet::new();
        for asked in &self.policy.witnesses {
            if self.policy.is_met(&signed) {
                break;
            }
            match self.ask(asked, &request, (&text, &note), proofs).await? {
                Some(Cosigned::Lines(line)) => {
                    lines.push_str(&line);
                    signed.insert(asked.name.as_str());
                }
                Some(ahead) => return Ok(ahead),
                None => {}
            }
        }
        if self.policy.is_met(&signed) {
            Ok(Cosigned::Lines(lines))
        } else {
            Err(Error::Unavailable(
                "too few witnesses have signed; what was asked stands in the ledger and is answered, at no further cost, once they do",
            ))
        }
    }
}

impl Witnesses for Quorum {
    fn cosign<'a>(
        &'a self,
        request: CosignRequest,
        proofs: &'a mut dyn Proofs,
    ) -> BoxFuture<'a, Result<Cosigned>> {
        self.all(request, proofs).boxed()
    }
}
