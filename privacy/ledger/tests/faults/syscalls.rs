//! Every system call of an answer that concerns the ledger's files fails once with EIO, and is once the last before SIGKILL.
//!
//! `strace` puts the faults in. Where it is missing the test is skipped, unless `CI=true`; where the kernel refuses ptrace that is said.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use salus_ledger::ReserveError;

use crate::state::{goes_on, make, open, whole};
use crate::support::{answer, question};

/// What changes files, makes it durable, or locks; and reads, which may fail too.
const CALLS: &str = "write,pwrite64,pwritev,fsync,fdatasync,ftruncate,fallocate,openat,link,linkat,\
                     rename,renameat2,unlink,unlinkat,fcntl,pread64,fchmod,mkdir";

/// Seconds that one process is given: it needs less than one. One without a fault must come to its end, however busy the machine.
const PATIENCE: &str = "15";
const PATIENCE_WITHOUT_FAULT: &str = "120";

/// How long faults are put in, all of them in turns: a sample, or all of them with `make soak`.
fn span() -> Duration {
    if std::env::var_os("SALUS_SOAK").is_some() {
        Duration::MAX
    } else {
        Duration::from_secs(45)
    }
}

/// The process: opens the ledger, asks one question, and says what it knows to be durable.
pub(crate) async fn answer_one(dir: &Path) {
    let ledger = match open(dir).await {
        Ok(ledger) => ledger,
        Err(error) => return println!("failed {error}"),
    };
    match ledger.reserve(question()).await {
        Ok(charge) => {
            println!("reserve {}", charge.entry());
            match answer(charge).await {
                Ok(published) => println!("release {}", published.entry),
                Err(error) => println!("failed {error}"),
            }
        }
        Err(ReserveError::Ledger(error)) => println!("failed {error}"),
        Err(error) => panic!("{error}"),
    }
    if let Err(error) = ledger.close().await {
        println!("failed {error}");
    }
}

pub(crate) async fn each_call() {
    if !strace_works() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let template = home.path().join("template");
    std::fs::create_dir(&template).unwrap();
    make(&template).await;
    let clean = copy(&template, &home.path().join("clean"));
    let options = ["-y".to_owned(), format!("--trace={CALLS}")];
    let (said, log) = run(&clean, &options, PATIENCE_WITHOUT_FAULT);
    assert_eq!(said.len(), 2, "{said:?}");
    let points = points(&log, &clean);
    assert!(points.len() > 40, "only {} calls: {log}", points.len());

    let started = Instant::now();
    let (mut done, mut hit, mut withheld) = (0, 0, 0);
    for (call, nth, fault) in spread(&points) {
        if started.elapsed() > span() && hit > 10 && withheld > 5 {
            break;
        }
        assert!(
            started.elapsed() < span().saturating_mul(12),
            "{hit} {withheld} of {done}"
        );
        let dir = copy(&template, &home.path().join(format!("{done}")));
        let name = format!("{call} {nth} {fault}");
        let inject = format!("--inject={call}:{fault}:when={nth}");
        let trace = format!("--trace={call}");
        let began = Instant::now();
        let (said, log) = run(&dir, &["-y".to_owned(), trace, inject], PATIENCE);
        if began.elapsed() > Duration::from_secs(10) {
            println!("{name}: {:.0?}", began.elapsed());
        }
        let place = dir.display().to_string();
        hit += u32::from(log.lines().any(|line| {
            line.contains(&place) && (line.contains("(INJECTED)") || fault.starts_with("signal"))
        }));
        let known: Vec<String> = said
            .into_iter()
            .filter(|line| !line.starts_with("failed"))
            .collect();
        withheld += u32::from(known.len() < 2);
        let outcome = std::panic::AssertUnwindSafe(async {
            let ledger = whole(&dir, &known).await;
            goes_on(&ledger).await;
            ledger.close().await.unwrap();
        });
        let outcome = futures::FutureExt::catch_unwind(outcome).await;
        assert!(outcome.is_ok(), "after {name}, which let through {known:?}");
        std::fs::remove_dir_all(&dir).unwrap();
        done += 1;
    }
    println!(
        "{done} of {} faults were put in, {hit} of them at the ledger's files; {withheld} answers were withheld",
        points.len() * 2
    );
    assert!(hit > 10 && withheld > 5, "{hit} {withheld}");
}

/// Each fault of each call, in an order that visits all kinds early: that of multiples of the golden ratio (Knuth, volume 3, §6.4).
fn spread(points: &[(String, u32)]) -> Vec<(&str, u32, &'static str)> {
    let faults = ["error=EIO", "signal=SIGKILL"];
    let all = points
        .iter()
        .flat_map(|(call, nth)| faults.map(|fault| (call.as_str(), *nth, fault)));
    let mut numbered: Vec<_> = (0_u64..).zip(all).collect();
    numbered.sort_by_key(|(number, _)| number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    numbered.into_iter().map(|(_, fault)| fault).collect()
}

/// The calls of the log that name a file of the ledger: which, and the how-manieth of its thread, as `strace` counts.
fn points(log: &str, dir: &Path) -> Vec<(String, u32)> {
    let place = dir.display().to_string();
    let mut counted: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    let mut points: Vec<(String, u32)> = Vec::new();
    for line in log.lines() {
        let Some((thread, rest)) = line.split_once(' ') else {
            continue;
        };
        let Some((call, _)) = rest.trim_start().split_once('(') else {
            continue;
        };
        if !call.bytes().all(|b| b.is_ascii_alphanumeric()) {
            continue;
        }
        let nth = counted.entry((thread, call)).or_default();
        *nth += 1;
        if rest.contains(&place) {
            points.push((call.to_owned(), *nth));
        }
    }
    points.sort();
    points.dedup();
    points
}

/// Runs the process under `strace`: what it said, and what was traced. A lock that could not be given back
/// keeps the process waiting for minutes; it is killed after a while, with all it has started.
fn run(dir: &Path, options: &[String], patience: &str) -> (Vec<String>, String) {
    let log = dir.join("strace.log");
    let output: Output = Command::new("timeout")
        .args(["-s", "KILL", patience])
        .args(["strace", "-f", "-qq", "-s", "0", "-o"])
        .arg(&log)
        .args(options)
        .arg(std::env::current_exe().unwrap())
        .arg("answer")
        .arg(dir)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let said = said.lines().map(str::to_owned).collect();
    (said, std::fs::read_to_string(&log).unwrap_or_default())
}

fn strace_works() -> bool {
    let tried = Command::new("strace")
        .args(["-qq", "-o", "/dev/null", "true"])
        .output();
    match tried {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            let why = String::from_utf8_lossy(&output.stderr);
            println!(
                "skipped: the kernel does not let strace trace: {}",
                why.trim()
            );
            false
        }
        Err(_) => {
            let ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
            assert!(
                !ci,
                "strace is missing, and CI must put faults in: scripts/prerequisites.sh"
            );
            println!("skipped: strace is not installed");
            false
        }
    }
}

fn copy(from: &Path, to: &Path) -> PathBuf {
    std::fs::create_dir(to).unwrap();
    let permissions = std::fs::metadata(from).unwrap().permissions();
    std::fs::set_permissions(to, permissions).unwrap();
    for item in std::fs::read_dir(from).unwrap() {
        let path = item.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
    to.to_owned()
}
