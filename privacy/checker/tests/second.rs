//! The second verifier, which is written in another language from the format's page alone, agrees with this one: on every kept log, on every log that
//! breaks a rule, and on made-up ones. Its own tests compare the two; here they are run.

use std::path::Path;
use std::process::Command;

/// Runs tests of the second verifier against this one. Without a Python it is skipped with a printed line, and where CI=true it must not be.
fn agrees(modules: &[&str]) {
    let Ok(python) = std::env::var("SALUS_PYTHON") else {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "SALUS_PYTHON names no Python with the packages of notebooks/requirements.txt"
        );
        println!("skipped: SALUS_PYTHON names no Python; `make test` makes one");
        return;
    };
    let notebooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../notebooks");
    let run = Command::new(python)
        .args(["-m", "unittest"])
        .args(modules)
        .current_dir(notebooks.join("tests"))
        .env("PYTHONPATH", notebooks)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("SALUS_AUDIT", env!("CARGO_BIN_EXE_salus-audit"))
        .output()
        .expect("Python runs");
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
    // None is left out for want of a program or of a log.
    assert!(!said.contains("skipped"), "{said}");
}

#[test]
fn on_kept_logs_and_their_receipts() {
    agrees(&["test_fixtures", "test_vectors", "test_receipts"]);
}

#[test]
fn on_the_history_of_a_log_and_the_restricted_one() {
    agrees(&["test_history", "test_restricted"]);
}

#[test]
fn on_caps_limits_windows_and_officers() {
    agrees(&[
        "test_purse",
        "test_limits",
        "test_windows",
        "test_signers",
        "test_reviews",
    ]);
}

#[test]
fn on_logs_that_break_a_rule() {
    agrees(&["test_rules", "test_witnesses", "test_sound"]);
}

#[test]
fn on_bytes_that_are_no_entry() {
    agrees(&["test_decoder", "test_apart", "test_comparison"]);
}

/// Every field of every entry changed, every byte of a log, and all ways in which logs follow each other: many minutes.
#[test]
fn on_all_that_is_made_up() {
    if std::env::var_os("SALUS_SOAK").is_some() {
        agrees(&[
            "test_fields",
            "test_bytes",
            "test_program",
            "test_succession",
        ]);
    }
}
