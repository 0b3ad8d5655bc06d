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

/// Times that a witness is asked for one checkpoint while others are quicker.
const TRIES: usize = 32;

/// Longest answer that is read, in bytes.
const LONGEST: usize = 64 << 10;

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

    /// What this witness says. It can be wrong about anything, so whatever it says but a signature is only believed if there is no quorum
    /// without it.
    async fn ask(
        &self,
        asked: &Asked,
        request: &CosignRequest,
        (text, note): (&str, &str),
        proofs: &mut dyn Proofs,
    ) -> Result<Said> {
        let Some(url) = &asked.url else {
            return Ok(Said::Nothing);
        };
        let address = format!("{}/add-checkpoint", url.trim_end_matches('/'));
        let mut old = self.known(&asked.name);
        // Again with the size that the witness has told, as long as others keep being quicker.
        for _ in 0..TRIES {
            let body = Request {
                old,
                proof: proofs.consistency(old).await?,
                note: note.to_owned(),
            }
            .encode();
            let Some((status, tells_size, answer)) = self.post(&address, body).await else {
                return Ok(Said::Nothing);
            };
            match status {
                StatusCode::OK => {
                    let signed = |line: &&str| asked.key.cosigned(line, text).is_some();
                    let Some(line) = answer.lines().find(signed) else {
                        return Ok(Said::Nothing);
                    };
                    self.learn(&asked.name, request.size);
                    return Ok(Said::Line(format!("{line}\n")));
                }
                StatusCode::CONFLICT if tells_size => match answer.trim_end().parse::<u64>() {
                    Ok(size) if size > request.size => return Ok(Said::Ahead(size)),
                    Ok(size) if size != old => old = size,
                    _ => return Ok(Said::Nothing),
                },
                StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY => return Ok(Said::Other),
                _ => return Ok(Said::Nothing),
            }
        }
        Ok(Said::Nothing)
    }

    /// Status, whether the body is a size, and the body, which is short.
    async fn post(&self, address: &str, body: String) -> Option<(StatusCode, bool, String)> {
        let mut response = self.client.post(address).body(body).send().await.ok()?;
        let status = response.status();
        let told = response.headers().get(CONTENT_TYPE);
        let tells_size = told.is_some_and(|told| told == "text/x.tlog.size");
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.ok()? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > LONGEST {
                return None;
            }
        }
        Some((status, tells_size, String::from_utf8(bytes).ok()?))
    }

    async fn all(&self, request: CosignRequest, proofs: &mut dyn Proofs) -> Result<Cosigned> {
        let (text, _) = note_parts(&request.note).map_err(|_| Error::Bug("a note that is none"))?;
        let note = String::from_utf8_lossy(&request.note).into_owned();
        let mut lines = String::new();
        let mut signed = BTreeSet::new();
        let (mut ahead, mut others) = (None, Vec::new());
        for asked in &self.policy.witnesses {
            if self.policy.is_met(&signed) {
                break;
            }
            match self.ask(asked, &request, (&text, &note), proofs).await? {
                Said::Line(line) => {
                    lines.push_str(&line);
                    signed.insert(asked.name.as_str());
                }
                Said::Ahead(size) => ahead = ahead.max(Some(size)),
                Said::Other => others.push(asked.name.as_str()),
                Said::Nothing => {}
            }
        }
        if self.policy.is_met(&signed) {
            return Ok(Cosigned::Lines(lines));
        }
        match ahead {
            Some(size) => Ok(Cosigned::Ahead(size)),
            None if others.is_empty() => Err(Error::Unavailable(
                "too few witnesses have signed; what was asked stands in the ledger and is answered, at no further cost, once they do",
            )),
            None => Err(Error::Integrity(format!(
                "{OTHER_HISTORY} (said by {})",
                others.join(", ")
            ))),
        }
    }
}

/// What one witness says.
enum Said {
    Line(String),
    /// It has signed so many entries, which are more.
    Ahead(u64),
    /// It has signed another history.
    Other,
    /// Nothing of use.
    Nothing,
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
