//! Death between every two steps of an answer: reserve durable, noise drawn, release durable, cosigned, anchored, reply.
//!
//! The clock, the anchor and the witnesses are the process's own, so each of them can be where it ends.

use std::path::Path;
use std::process::{Command, abort};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use salus_ledger::anchor::{Anchor, SharedAnchor, newest};
use salus_ledger::cosign::{CosignRequest, Cosigned, Proofs, Witnesses, note_parts};
use salus_ledger::entry::Kind;
use salus_ledger::note::Checkpoint;
use salus_ledger::{
    Again, AnswerFailed, Error, Ledger, Released, Reservation, Signer, Surroundings, key, receipt,
};

use crate::state::{around, count, goes_on, make, whole};
use crate::support::{exact, ledger_path, question, signer};

/// Where the process ends, and what is in the log then: reserves, releases, and whether the release's checkpoint is anchored.
const STEPS: [(&str, usize, usize, bool); 8] = [
    ("before the reserve is durable", 0, 0, false),
    ("after the reserve is durable", 1, 0, false),
    ("after the noise is drawn", 1, 0, false),
    ("before the release is durable", 1, 0, false),
    ("after the release is durable", 1, 1, false),
    ("after it is cosigned", 1, 1, false),
    ("after it is anchored", 1, 1, true),
    ("before the reply", 1, 1, true),
];

/// Entries before the question, which the opening has anchored.
const FACTS: u64 = 6;

fn wanted() -> Reservation {
    Reservation {
        retry: Some("request-1".to_owned()),
        ..question()
    }
}

pub(crate) async fn each_step() {
    for (step, reserves, releases, anchored) in STEPS {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        make(dir).await;
        key::generate(&dir.join("witness.key"), "witness.example").unwrap();
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["die", step])
            .arg(dir)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), None, "{step}: it did not die: {said}");
        let acknowledged: Vec<String> = said.lines().map(str::to_owned).collect();
        assert_eq!(acknowledged.len(), reserves, "{step}: {said}");

        // What does not stand in the anchor has not left; the opening after it brings the anchor up to the ledger.
        let anchor = around(dir).anchor.unwrap();
        let size = anchored_size(anchor.as_ref()).await;
        let ledger = whole(dir, &acknowledged).await;
        assert_eq!(count(&ledger, Kind::Reserve).await, reserves, "{step}");
        assert_eq!(count(&ledger, Kind::Release).await, releases, "{step}");
        assert_eq!(count(&ledger, Kind::Abort).await, 0, "{step}");
        let covered = if anchored { FACTS + 2 } else { FACTS };
        assert_eq!(size, covered, "{step}");
        sent_again(&ledger, step, reserves, releases).await;
        goes_on(&ledger).await;
        ledger.close().await.unwrap();
        whole(dir, &acknowledged).await.close().await.unwrap();
    }
}

/// The request is sent again after the restart: paid once, and answered with what stands in the log or not at all.
async fn sent_again(ledger: &Ledger, step: &str, reserves: usize, releases: usize) {
    let spent = ledger.account().await.unwrap().spent;
    match ledger.again(wanted()).await.unwrap() {
        Again::New => assert_eq!(reserves, 0, "{step}"),
        Again::Open => assert_eq!((reserves, releases), (1, 0), "{step}"),
        Again::Answered(published) => {
            assert_eq!((reserves, releases), (1, 1), "{step}");
            let opened = receipt::verify(&published.receipt, &ledger.vkey()).unwrap();
            assert_eq!(opened.answer, published.answer);
        }
        other => panic!("{step}: {other:?}"),
    }
    assert_eq!(ledger.account().await.unwrap().spent, spent, "{step}");
}

async fn anchored_size(anchor: &dyn Anchor) -> u64 {
    let (_, record) = newest(anchor).await.unwrap().unwrap();
    Checkpoint::stated_size(&record.checkpoint).unwrap()
}

/// The process: asks one question, and dies at `step`.
pub(crate) async fn answer_until(step: &str, dir: &Path) {
    let step = STEPS.iter().find(|(name, ..)| *name == step).unwrap().0;
    let dies = move |here: &str| {
        if step == here {
            abort();
        }
    };
    // The clock is asked inside of each transaction: of the reserve, then of the release.
    let asked = Arc::new(AtomicU64::new(0));
    let clock = Arc::clone(&asked);
    let around = Surroundings {
        keys: None,
        clock: Arc::new(move || {
            match clock.fetch_add(1, Ordering::SeqCst) {
                0 => dies("before the reserve is durable"),
                1 => dies("before the release is durable"),
                _ => {}
            }
            1_790_000_000
        }),
        anchor: Some(Arc::new(Dying {
            inner: around(dir).anchor.unwrap(),
            step,
        })),
        witnesses: Some(Arc::new(Dying {
            inner: key::load(&dir.join("witness.key")).unwrap(),
            step,
        })),
    };
    let ledger = Ledger::open_in(&ledger_path(dir), signer(dir), around)
        .await
        .unwrap();
    asked.store(0, Ordering::SeqCst);
    let charge = ledger.reserve(wanted()).await.unwrap();
    println!("reserve {}", charge.entry());
    dies("after the reserve is durable");
    let text = async |released: &Released| -> Result<Vec<u8>, AnswerFailed> {
        dies("after the noise is drawn");
        Ok(format!("{:?}", released.columns).into_bytes())
    };
    charge.release(exact(), text).await.unwrap();
    dies("before the reply");
}

/// Something outside that takes the process with it.
#[derive(Debug)]
struct Dying<T> {
    inner: T,
    step: &'static str,
}

impl<T> Dying<T> {
    fn at(&self, step: &str) {
        if self.step == step {
            abort();
        }
    }
}

impl Anchor for Dying<SharedAnchor> {
    fn newest(&self, most: usize) -> BoxFuture<'_, Result<Vec<u64>, Error>> {
        self.inner.newest(most)
    }

    fn get(&self, after: u64) -> BoxFuture<'_, Result<Option<Vec<u8>>, Error>> {
        self.inner.get(after)
    }

    fn create<'a>(&'a self, after: u64, record: &'a [u8]) -> BoxFuture<'a, Result<bool, Error>> {
        let work = async move {
            self.at("after it is cosigned");
            let created = self.inner.create(after, record).await;
            self.at("after it is anchored");
            created
        };
        work.boxed()
    }
}

impl Witnesses for Dying<Signer> {
    fn cosign<'a>(
        &'a self,
        request: CosignRequest,
        _: &'a mut dyn Proofs,
    ) -> BoxFuture<'a, Result<Cosigned, Error>> {
        self.at("after the release is durable");
        let (text, _) = note_parts(&request.note).unwrap();
        let line = self.inner.cosign(&text, 1_790_000_001);
        std::future::ready(Ok(Cosigned::Lines(line))).boxed()
    }
}
