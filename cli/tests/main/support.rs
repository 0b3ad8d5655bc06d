//! Homes in temporary directories and the binary that works on them.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A question that every home with a snapshot answers.
pub(crate) const PERSONS: &str = "SELECT COUNT(DISTINCT person_id) AS persons FROM patient";

/// The same, by sex.
pub(crate) const BY_SEX: &str =
    "SELECT sex, COUNT(DISTINCT person_id) AS persons FROM patient GROUP BY sex";

/// One unit of rho in the books is 2^-40.
const UNITS: f64 = 1_099_511_627_776.0;

/// The binary, with nothing of the tester's environment that it listens to.
pub(crate) fn salus() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_salus"));
    command
        .env_remove("SALUS_HOME")
        .env_remove("SALUS_USER")
        .stdin(Stdio::null());
    command
}

/// What a process left behind.
#[derive(Debug)]
pub(crate) struct Done {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Done {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Asserts the exit code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Standard output, which must be one JSON document.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

pub(crate) fn run(command: &mut Command) -> Done {
    Done::of(&command.output().unwrap())
}

/// A home that goes away with the value.
pub(crate) struct Home {
    dir: TempDir,
}

impl Home {
    /// `salus init` with these options.
    pub(crate) fn init(options: &[&str]) -> Self {
        let home = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        home.run(&[&["init"], options].concat()).exits(0);
        home
    }

    /// A place where a home can be made.
    pub(crate) fn bare() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// A home with a synthetic population in it.
    pub(crate) fn populated(options: &[&str], persons: u64) -> Self {
        let home = Self::init(options);
        home.populate(persons);
        home
    }

    /// The same, with its anchor beside it.
    pub(crate) fn anchored(persons: u64) -> Self {
        let home = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let anchor = home.beside("anchor");
        home.run(&["init", "--anchor", anchor.to_str().unwrap()])
            .exits(0);
        home.populate(persons);
        home
    }

    fn populate(&self, persons: u64) {
        let export = self.export(persons, 5);
        self.run(&["ingest", "fhir", export.to_str().unwrap()])
            .exits(0);
    }

    /// Writes an export of synthetic persons beside the home.
    pub(crate) fn export(&self, persons: u64, seed: u64) -> PathBuf {
        let dir = self.dir.path().join(format!("export-{persons}-{seed}"));
        let (persons, seed) = (persons.to_string(), seed.to_string());
        let arguments = ["synth", "--persons", &persons, "--seed", &seed, "--out"];
        run(salus().args(arguments).arg(&dir)).exits(0);
        dir
    }

    /// Same bytes at another place.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        copy_tree(&self.root(), &copy.root());
        copy
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// A path beside the home.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.root().join("ledger/ledger.db")
    }

    pub(crate) fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = salus();
        command
            .env("SALUS_HOME", self.root())
            // What its users have seen of ledgers lies beside it.
            .env("XDG_STATE_HOME", self.beside("state"))
            .args(arguments);
        command
    }

    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Done {
        run(&mut self.command(arguments))
    }

    /// Standard output of a command that must succeed, as JSON.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        self.run(&[&["--format", "json"], arguments].concat())
            .exits(0)
            .json()
    }

    /// A command whose standard input is `text`.
    pub(crate) fn with_input(&self, arguments: &[&str], text: &str) -> Done {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(text.as_bytes()).unwrap();
        drop(input);
        Done::of(&child.wait_with_output().unwrap())
    }

    /// A rho of `salus budget show`, in units of 2^-40.
    pub(crate) fn budget(&self, which: &str) -> u64 {
        units(&self.json(&["budget", "show"])[which]["rho"])
    }

    /// The ledger's entries, but for the anchors of the restricted log: the clock writes one each hour, whatever a test does.
    pub(crate) fn entries(&self) -> Vec<Value> {
        let list = self.json(&["ledger", "list"]);
        let entries = list["entries"].as_array().unwrap().iter();
        let entries = entries.filter(|entry| entry["kind"] != "anchor");
        entries.cloned().collect()
    }

    /// The reserve of an answer. Others may have entered something between the two.
    pub(crate) fn reserve_of(&self, release: &Value) -> u64 {
        let shown = self.json(&["ledger", "show", &release.to_string()]);
        shown["entry"]["body"]["reserve"].as_u64().unwrap()
    }
}

/// A rho that JSON shows, in units of 2^-40. The last bit may be lost where JSON is read, which below 2^50 units is less than a unit.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(crate) fn units(rho: &Value) -> u64 {
    let units = rho.as_f64().unwrap() * UNITS;
    let whole = units.round();
    assert!((units - whole).abs() < 0.25 && whole < 1024.0 * UNITS);
    whole as u64
}

/// So many units of 2^-40 as exact decimal text.
pub(crate) fn rho_text(units: u64) -> String {
    let mut text = format!("{}.", units >> 40);
    let mut rest = u128::from(units & ((1 << 40) - 1));
    for _ in 0..40 {
        rest *= 10;
        text.push(char::from(b'0' + u8::try_from(rest >> 40).unwrap()));
        rest &= (1 << 40) - 1;
    }
    text
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02X}").unwrap();
        text
    })
}

pub(crate) fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Every file below a directory.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// RFC 4180, and every record as long as the first.
#[track_caller]
pub(crate) fn csv(text: &str) -> Vec<Vec<String>> {
    let mut records = Vec::new();
    let (mut record, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' if quoted || field.is_empty() => quoted = !quoted,
            '"' => panic!("a quote inside a bare field: {text}"),
            ',' if !quoted => record.push(std::mem::take(&mut field)),
            '\n' if !quoted => {
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            other => field.push(other),
        }
    }
    assert!(!quoted && record.is_empty() && field.is_empty(), "{text}");
    assert!(!records.is_empty(), "no header");
    let width = records[0].len();
    assert!(records.iter().all(|record| record.len() == width), "{text}");
    records
}

/// Longer runs where time allows: `SALUS_SOAK=1`.
pub(crate) fn soak(usual: usize, long: usize) -> usize {
    if std::env::var_os("SALUS_SOAK").is_some_and(|soak| soak == "1") {
        long
    } else {
        usual
    }
}

/// A source of choices for the tests themselves (splitmix64), seeded by the clock and printed.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(test: &str) -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let seed = u64::try_from(now.unwrap().as_nanos() & u128::from(u64::MAX)).unwrap();
        println!("{test}: seed {seed}");
        Self(seed)
    }

    /// Uniform enough below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound.max(1)
    }
}
