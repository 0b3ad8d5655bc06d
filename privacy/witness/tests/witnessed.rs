//! A ledger whose answers wait for witnesses, over HTTP on loopback.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use salus_accounting::{Delta, Loss, Noise, Rational, Rho};
use salus_certificate::{Aggregate, Bounds, Certificate, EntryIndex, Mechanism, Step};
use salus_ledger::cosign::{SharedWitnesses, WitnessKey};
use salus_ledger::note::Verifier;
use salus_ledger::{
    Error, Exact, Fact, Genesis, Ledger, Published, Released, Reservation, ReserveError, Signer,
    Surroundings, key, receipt,
};
use salus_witness::{Policy, Quorum, Refused, Request, Witness, serve};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

const ORIGIN: &str = "salus.example/witnessed";

struct Running {
    key: WitnessKey,
    url: String,
    stop: Option<oneshot::Sender<()>>,
}

impl Running {
    fn stop(mut self) {
        let _ = self.stop.take().unwrap().send(());
    }
}

/// A witness of the log whose key this is.
async fn witness(dir: &Path, name: &str, log: &str) -> Running {
    let file = dir.join(format!("{name}.key"));
    let signer = key::generate(&file, name).unwrap();
    run(dir, signer, log, "127.0.0.1:0").await
}

/// A port that was given back may have been lent to somebody else for a moment.
async fn bind(address: &str) -> TcpListener {
    let begun = Instant::now();
    loop {
        match TcpListener::bind(address).await {
            Err(error)
                if error.kind() == ErrorKind::AddrInUse
                    && begun.elapsed() < Duration::from_mins(1) =>
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            other => return other.unwrap(),
        }
    }
}

async fn run(dir: &Path, signer: Signer, log: &str, address: &str) -> Running {
    let memory = dir.join(signer.origin());
    let witness = Witness::new(&memory, signer, vec![Verifier::parse(log).unwrap()]).unwrap();
    let key = witness.key();
    let listener = bind(address).await;
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (stop, end) = oneshot::channel();
    tokio::spawn(serve(witness, listener, async {
        let _ = end.await;
    }));
    Running {
        key,
        url,
        stop: Some(stop),
    }
}

fn quorum(witnesses: &[&Running], least: usize) -> SharedWitnesses {
    let lines: Vec<String> = witnesses
        .iter()
        .enumerate()
        .map(|(number, witness)| format!("witness w{number} {} {}", witness.key, witness.url))
        .collect();
    let names: Vec<String> = (0..lines.len())
        .map(|number| format!("w{number}"))
        .collect();
    let text = format!(
        "{}\ngroup all-of-them {least} {}\nquorum all-of-them\n",
        lines.join("\n"),
        names.join(" ")
    );
    Arc::new(Quorum::new(Policy::parse(&text).unwrap()).unwrap())
}

fn around(witnesses: SharedWitnesses) -> Surroundings {
    Surroundings {
        witnesses: Some(witnesses),
        ..Surroundings::default()
    }
}

fn ledger_dir(dir: &Path) -> PathBuf {
    dir.join("ledger")
}

async fn create(dir: &Path, signer: Signer, witnesses: SharedWitnesses) -> Ledger {
    let cap = Loss {
        rho: Rho::parse_floor("1").unwrap(),
        delta: Delta::parse_floor("1e-6").unwrap(),
    };
    let genesis = Genesis {
        origin: ORIGIN.to_owned(),
        space: "riverside".to_owned(),
        ceiling: cap,
        cap,
        conversion_delta: cap.delta,
        build: "test".to_owned(),
        rules: 1,
        predecessor: None,
        restricted: None,
    };
    let ledger = Ledger::create_in(&ledger_dir(dir), signer, genesis, around(witnesses))
        .await
        .unwrap();
    let clinic = || "clinic".to_owned();
    for fact in [
        Fact::Dataset {
            dataset: clinic(),
            unit: "person_id".to_owned(),
        },
        Fact::Catalog {
            dataset: clinic(),
            version: 1,
            sha256: [7; 32],
            parts: std::collections::BTreeMap::new(),
        },
        Fact::Policy {
            version: 1,
            sha256: [8; 32],
            query_rho: cap.rho,
            limits: vec![],
        },
        Fact::Snapshot {
            dataset: clinic(),
            snapshot: 1,
            content: b"tables".to_vec(),
        },
    ] {
        ledger.record(fact).await.unwrap();
    }
    ledger
}

fn question() -> Reservation {
    let bounds = Bounds {
        step: 1,
        rows_per_person: 1,
        groups_per_person: 1,
        cells: 1,
        weighted: None,
    };
    let count = Mechanism::new(
        Noise::DiscreteGaussian,
        Aggregate::Persons,
        1,
        &bounds,
        Rational::from(50),
    );
    let step = |rule: &str, inputs: Vec<u64>, table: Option<String>| Step {
        rule: rule.to_owned(),
        op: rule.to_owned(),
        inputs,
        table,
        rows: 1,
    };
    Reservation {
        principal: "analyst-1".to_owned(),
        roles: vec![],
        purpose: "HRESCH".to_owned(),
        question: "how many?".to_owned(),
        plan: b"tree".to_vec(),
        keys: b"".to_vec(),
        certificate: Certificate {
            dataset: EntryIndex(2),
            snapshot: EntryIndex(5),
            catalog: EntryIndex(3),
            policy: EntryIndex(4),
            unit: "person_id".to_owned(),
            steps: vec![
                step("S0", vec![], Some("patient".to_owned())),
                step("RELEASE", vec![0], None),
            ],
            releases: vec![bounds],
            keys: [0; 32],
            mechanisms: vec![count.unwrap()],
        },
        retry: None,
    }
}

async fn answer(ledger: &Ledger) -> Result<Published, Error> {
    let charge = match ledger.reserve(question()).await {
        Ok(charge) => charge,
        Err(ReserveError::Ledger(error)) => return Err(error),
        Err(other) => panic!("{other}"),
    };
    let exact = Exact::seal(vec![vec![1000]]);
    charge
        .release(exact, async |noisy: &Released| {
            Ok(format!("{:?}", noisy.columns).into_bytes())
        })
        .await
}

fn cosigned(published: &Published, witness: &Running) -> bool {
    let note = published.receipt.split_once("\n\n").unwrap().1;
    let (text, lines) = salus_ledger::cosign::note_parts(note.as_bytes()).unwrap();
    lines
        .iter()
        .any(|line| witness.key.cosigned(line, &text).is_some())
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[tokio::test]
async fn an_answer_leaves_with_its_witnesses_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let signer = key::generate(&dir.path().join("log.key"), ORIGIN).unwrap();
    let (a, b) = (
        witness(dir.path(), "a.example", &signer.vkey()).await,
        witness(dir.path(), "b.example", &signer.vkey()).await,
    );
    let ledger = create(dir.path(), signer.clone(), quorum(&[&a, &b], 2)).await;
    let published = answer(&ledger).await.unwrap();
    assert!(cosigned(&published, &a) && cosigned(&published, &b));
    receipt::verify(&published.receipt, &signer.vkey()).unwrap();
    // The checkpoint with its cosignatures is in the evidence.
    let newest = ledger.evidence().await.unwrap().checkpoints.pop().unwrap();
    assert_eq!(
        String::from_utf8(newest)
            .unwrap()
            .matches("\u{2014}")
            .count(),
        3
    );
    ledger.audit_accounts().await.unwrap();

    let (address, name) = (b.url.clone(), dir.path().join("b.example.key"));
    b.stop();
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let before = ledger.account().await.unwrap().spent;
    let error = answer(&ledger).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    assert_ne!(ledger.account().await.unwrap().spent, before);
    // Once it is back, what was held back is given, and is not paid again.
    let address = address.strip_prefix("http://").unwrap();
    let b = run(
        dir.path(),
        key::load(&name).unwrap(),
        &signer.vkey(),
        address,
    )
    .await;
    let again = ledger.reuse(question()).await.unwrap().unwrap();
    assert_eq!(again.cost, Loss::ZERO);
    assert!(cosigned(&again, &a) && cosigned(&again, &b));
}

#[tokio::test]
async fn a_ledger_that_was_put_back_finds_no_witness() {
    let dir = tempfile::tempdir().unwrap();
    let signer = key::generate(&dir.path().join("log.key"), ORIGIN).unwrap();
    let witness = witness(dir.path(), "w.example", &signer.vkey()).await;
    let ledger = create(dir.path(), signer.clone(), quorum(&[&witness], 1)).await;
    answer(&ledger).await.unwrap();
    ledger.close().await.unwrap();
    copy(&ledger_dir(dir.path()), &dir.path().join("backup"));
    let open = async || {
        let witnesses = quorum(&[&witness], 1);
        Ledger::open_in(&ledger_dir(dir.path()), signer.clone(), around(witnesses))
            .await
            .unwrap()
    };
    let ledger = open().await;
    answer(&ledger).await.unwrap();
    answer(&ledger).await.unwrap();
    ledger.close().await.unwrap();
    std::fs::remove_dir_all(ledger_dir(dir.path())).unwrap();
    copy(&dir.path().join("backup"), &ledger_dir(dir.path()));
    // There is no anchor here, so it opens; and answers nothing, shorter than it was, as long, or longer.
    for _ in 0..4 {
        let ledger = open().await;
        let error = answer(&ledger).await.unwrap_err();
        assert!(matches!(error, Error::Integrity(_)), "{error}");
        // What contradicts itself is not asked again.
        assert!(answer(&ledger).await.is_err());
        ledger.close().await.unwrap();
    }
}

#[tokio::test]
async fn many_ledgers_over_one_database_take_turns_at_the_witness() {
    let dir = tempfile::tempdir().unwrap();
    let signer = key::generate(&dir.path().join("log.key"), ORIGIN).unwrap();
    let witness = witness(dir.path(), "w.example", &signer.vkey()).await;
    let first = create(dir.path(), signer.clone(), quorum(&[&witness], 1)).await;
    let second = Ledger::open_in(
        &ledger_dir(dir.path()),
        signer.clone(),
        around(quorum(&[&witness], 1)),
    )
    .await
    .unwrap();
    let ask = async |ledger: &Ledger| {
        for _ in 0..8 {
            let published = answer(ledger).await.unwrap();
            receipt::verify(&published.receipt, &signer.vkey()).unwrap();
            assert!(cosigned(&published, &witness));
        }
    };
    tokio::join!(ask(&first), ask(&second));
    first.audit_accounts().await.unwrap();
}

#[tokio::test]
async fn a_witness_signs_what_extends_what_it_has_signed_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let signer = key::generate(&dir.path().join("log.key"), ORIGIN).unwrap();
    let other = key::generate(&dir.path().join("other.key"), ORIGIN).unwrap();
    let unknown = key::generate(&dir.path().join("unknown.key"), "elsewhere.example").unwrap();
    let name = key::generate(&dir.path().join("w.key"), "w.example").unwrap();
    let log = Verifier::parse(&signer.vkey()).unwrap();
    let memory = dir.path().join("memory");
    let witness = Witness::new(&memory, name.clone(), vec![log.clone()]).unwrap();
    // Checkpoints of a ledger that grows.
    let quiet = Ledger::create(
        &ledger_dir(dir.path()),
        signer.clone(),
        Genesis {
            origin: ORIGIN.to_owned(),
            space: "s".to_owned(),
            ceiling: Loss::ZERO,
            cap: Loss::ZERO,
            conversion_delta: Delta::ZERO,
            build: String::new(),
            rules: 1,
            predecessor: None,
            restricted: None,
        },
    )
    .await
    .unwrap();
    let note = async || {
        let evidence = quiet.evidence().await.unwrap();
        String::from_utf8(evidence.checkpoints.last().unwrap().clone()).unwrap()
    };
    let ask = |old: u64, note: &str| {
        witness.cosign(&Request {
            old,
            proof: vec![],
            note: note.to_owned(),
        })
    };
    let first = note().await;
    assert_eq!(ask(1, &first), Err(Refused::Stale(0)));
    let line = ask(0, &first).unwrap();
    let (text, _) = salus_ledger::cosign::note_parts(first.as_bytes()).unwrap();
    let key = WitnessKey::parse(&witness.key().to_string()).unwrap();
    let line = line.trim_end();
    assert!(key.cosigned(line, &text).is_some());
    assert!(key.cosigned(line, &text.replace('2', "3")).is_none());
    assert!(
        key.cosigned(&line.replace("w.example", "v.example"), &text)
            .is_none()
    );
    // The same again is signed again; anything else from there needs a proof.
    assert_eq!(ask(0, &first), Err(Refused::Stale(2)));
    ask(2, &first).unwrap();
    quiet
        .record(Fact::Dataset {
            dataset: "d".to_owned(),
            unit: "p".to_owned(),
        })
        .await
        .unwrap();
    let second = note().await;
    assert_eq!(ask(2, &second), Err(Refused::NotExtended));
    // What it remembers, it remembers after a restart.
    assert!(Witness::new(&memory, name.clone(), vec![log.clone()]).is_err());
    drop(witness);
    let again = Witness::new(&memory, name, vec![log]).unwrap();
    let request = Request {
        old: 0,
        proof: vec![],
        note: first.clone(),
    };
    assert_eq!(again.cosign(&request), Err(Refused::Stale(2)));
    let again_asks = |old: u64, note: &str| {
        again.cosign(&Request {
            old,
            proof: vec![],
            note: note.to_owned(),
        })
    };
    // Not for others, nor under other keys, nor what is no checkpoint.
    let forged = Ledger::create(
        &dir.path().join("forged"),
        other,
        Genesis {
            space: "t".to_owned(),
            ..quiet.genesis().clone()
        },
    )
    .await
    .unwrap();
    let forged = forged.evidence().await.unwrap().checkpoints.pop().unwrap();
    assert_eq!(
        again_asks(2, std::str::from_utf8(&forged).unwrap()),
        Err(Refused::Unsigned)
    );
    let elsewhere = first.replace(ORIGIN, unknown.origin());
    assert_eq!(again_asks(2, &elsewhere), Err(Refused::UnknownLog));
    assert!(matches!(
        again_asks(2, "nonsense"),
        Err(Refused::Malformed(_))
    ));
    assert!(matches!(again_asks(3, &first), Err(Refused::Malformed(_))));
}

/// A server that answers everything with these bytes.
async fn liar(response: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 64 << 10];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(response.as_bytes()).await;
        }
    });
    url
}

#[tokio::test]
async fn a_witness_that_lies_stops_no_quorum_and_breaks_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let signer = key::generate(&dir.path().join("log.key"), ORIGIN).unwrap();
    let honest = witness(dir.path(), "honest.example", &signer.vkey()).await;
    let other = key::generate(&dir.path().join("other.key"), "liar.example").unwrap();
    let body = |status: &str, kind: &str, body: &str| {
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    };
    let responses = [
        body("409 Conflict", "text/x.tlog.size", "99999999\n"),
        body("409 Conflict", "text/x.tlog.size", "1\n"),
        body("409 Conflict", "text/x.tlog.size", "nonsense"),
        body("409 Conflict", "text/plain", ""),
        body("422 Unprocessable", "text/plain", ""),
        body("200 OK", "text/plain", "\u{2014} liar.example AAAA\n"),
        body("200 OK", "text/plain", &"x".repeat(1 << 20)),
        body("500 Oops", "text/plain", ""),
        "nonsense".to_owned(),
    ];
    for (asked, response) in responses.into_iter().enumerate() {
        let liar = Running {
            key: WitnessKey::of(&other),
            url: liar(response).await,
            stop: None,
        };
        // The liar is asked first, and one signature is enough.
        let lone = quorum(&[&liar, &honest], 1);
        if asked == 0 {
            let ledger = create(dir.path(), signer.clone(), lone).await;
            assert!(cosigned(&answer(&ledger).await.unwrap(), &honest));
            ledger.close().await.unwrap();
        } else {
            let path = ledger_dir(dir.path());
            let ledger = Ledger::open_in(&path, signer.clone(), around(lone))
                .await
                .unwrap();
            assert!(cosigned(&answer(&ledger).await.unwrap(), &honest));
            ledger.close().await.unwrap();
        }
        // Alone it gives nothing, and the ledger is as it was.
        let path = ledger_dir(dir.path());
        let alone = quorum(&[&liar], 1);
        let ledger = Ledger::open_in(&path, signer.clone(), around(alone))
            .await
            .unwrap();
        assert!(answer(&ledger).await.is_err());
        ledger.close().await.unwrap();
    }
}

#[tokio::test]
async fn lines_without_an_end_are_whole_lines_in_the_books() {
    let dir = tempfile::tempdir().unwrap();
    let signer = key::generate(&dir.path().join("log.key"), ORIGIN).unwrap();
    let first = witness(dir.path(), "a.example", &signer.vkey()).await;
    let ledger = create(dir.path(), signer.clone(), quorum(&[&first], 1)).await;
    // Every answer that is not cut off by its last byte is one that a verifier reads.
    answer(&ledger).await.unwrap();
    for note in ledger.evidence().await.unwrap().checkpoints {
        assert!(note.ends_with(b"\n"));
        salus_ledger::cosign::note_parts(&note).unwrap();
    }
    ledger.audit_accounts().await.unwrap();
}
