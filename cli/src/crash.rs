//! What a bug may say. A panic's message can hold a value of somebody's record; where it happened says enough.

use std::io::Write as _;
use std::panic::PanicHookInfo;

/// From here on a panic prints its place and nothing else.
pub(crate) fn say_place_only() {
    std::panic::set_hook(Box::new(report));
}

fn report(panic: &PanicHookInfo<'_>) {
    // `salus … | head` closes the pipe; that is not an error of ours.
    if panic
        .payload()
        .downcast_ref::<String>()
        .is_some_and(|text| text.starts_with("failed printing to std"))
    {
        std::process::exit(1);
    }
    let place = panic
        .location()
        .map(ToString::to_string)
        .unwrap_or_default();
    // Where nobody listens any more there is nothing to say.
    let _ = writeln!(std::io::stderr(), "salus: internal error at {place}");
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    /// The hook is the process's own, so this test runs itself as a child that panics.
    #[test]
    fn a_panic_prints_its_place_and_nothing_else() {
        const CHILD: &str = "SALUS_TEST_PANICS";
        if std::env::var_os(CHILD).is_some() {
            super::say_place_only();
            panic!("the record of {}", "Jane Doe");
        }
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture"])
            .arg("crash::tests::a_panic_prints_its_place_and_nothing_else")
            .env(CHILD, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout) + String::from_utf8_lossy(&child.stderr);
        assert!(!child.status.success());
        assert!(said.contains("salus: internal error at "), "{said}");
        assert!(said.contains("crash.rs"), "{said}");
        assert!(!said.contains("Jane"), "{said}");
    }
}
