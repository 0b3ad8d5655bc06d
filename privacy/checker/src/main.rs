//! `salus-audit`: verifies an exported ledger. Exit code 0: every rule holds; 1: one does not; 2: nothing to verify.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use salus_checker::{
    Evidence, Finding, Policy, Trust, VerifierKey, audit_with, leaf_hash, log_keys, read_export,
    read_restricted, verify_receipt_by,
};

const HELP: &str = "\
Verifies a ledger that `salus ledger export` wrote.

Usage: salus-audit DIR [options]

  --format text|json   form of the report (text)
  --vkey FILE          verifier key from another source than DIR; it must be one that the log has had
  --checkpoint FILE    a checkpoint that you kept; it must be one of this log (may be repeated)
  --receipt FILE       a receipt that you were given; it must be of this log (may be repeated)
  --policy FILE        the witnesses who must have cosigned the newest checkpoint, as a C2SP
                       tlog-policy: `log <vkey>`, `witness <name> <vkey>`,
                       `group <name> <k|any|all> <member>...`, `quorum <name|none>`
  --restricted DIR     the export of its restricted log, which `salus ledger restricted export` wrote
  --predecessor DIR    the export of the log that this one goes on from; repeated, that log's, and so on

Without a key, a checkpoint, a receipt or witnesses of your own, a log that was rolled back to an
earlier state, or written anew, looks like any other.

Exit code: 0 every rule holds, 1 a rule fails (rule and entry are printed), 2 cannot read.

Example: salus-audit export --format json --checkpoint last-year.checkpoint
";

#[derive(Default)]
struct Arguments {
    directory: PathBuf,
    json: bool,
    vkey: Option<PathBuf>,
    checkpoints: Vec<PathBuf>,
    receipts: Vec<PathBuf>,
    policy: Option<PathBuf>,
    predecessors: Vec<PathBuf>,
    restricted: Option<PathBuf>,
}

fn main() -> ExitCode {
    let outcome = match arguments() {
        Ok(None) => {
            print(HELP);
            return ExitCode::SUCCESS;
        }
        Ok(Some(arguments)) => verify(&arguments),
        Err(error) => Err(format!("{error}\n\n{HELP}")),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "salus-audit: {error}");
            ExitCode::from(2)
        }
    }
}

/// A reader that closes the pipe early is no failure of the log.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn arguments() -> Result<Option<Arguments>, String> {
    let mut arguments = Arguments::default();
    let mut directory = None;
    let mut rest = std::env::args_os().skip(1);
    while let Some(argument) = rest.next() {
        let name = argument.to_string_lossy().into_owned();
        let mut value = || rest.next().ok_or(format!("{name} needs a value"));
        match name.as_str() {
            "--help" | "-h" => return Ok(None),
            "--format" => {
                arguments.json = match value()?.to_str() {
                    Some("json") => true,
                    Some("text") => false,
                    _ => return Err("--format is text or json".to_owned()),
                }
            }
            "--vkey" => arguments.vkey = Some(value()?.into()),
            "--checkpoint" => arguments.checkpoints.push(value()?.into()),
            "--receipt" => arguments.receipts.push(value()?.into()),
            "--predecessor" => arguments.predecessors.push(value()?.into()),
            "--restricted" => arguments.restricted = Some(value()?.into()),
            "--policy" => arguments.policy = Some(value()?.into()),
            _ if name.starts_with('-') => return Err(format!("unknown option {name}")),
            _ if directory.is_none() => directory = Some(PathBuf::from(argument)),
            _ => return Err("more than one directory".to_owned()),
        }
    }
    arguments.directory = directory.ok_or("no directory")?;
    Ok(Some(arguments))
}

fn read(path: &PathBuf) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn read_text(path: &PathBuf) -> Result<String, String> {
    String::from_utf8(read(path)?).map_err(|_| format!("{}: not text", path.display()))
}

fn verify(arguments: &Arguments) -> Result<bool, String> {
    let export = read_export(&arguments.directory).map_err(|error| error.to_string())?;
    let (mut evidence, mut findings) = (export.evidence, export.misnamed);
    let mut trust = Trust::default();
    if let Some(path) = &arguments.vkey {
        trust.vkey = Some(read_text(path)?);
    }
    if let Some(path) = &arguments.policy {
        let policy = Policy::parse(&read(path)?);
        trust.policy = Some(policy.map_err(|error| format!("{}: {error}", path.display()))?);
    }
    for path in &arguments.predecessors {
        let export = read_export(path).map_err(|error| error.to_string())?;
        findings.extend(export.misnamed.into_iter().map(|finding| Finding {
            index: Some(0),
            rule: "E3",
            what: format!("the log before it fails: {finding}"),
        }));
        trust.predecessors.push(export.evidence);
    }
    if let Some(path) = &arguments.restricted {
        let found = read_restricted(path).map_err(|error| error.to_string())?;
        findings.extend(found.misnamed);
        trust.restricted = Some(found.restricted);
    }
    for path in &arguments.checkpoints {
        evidence.checkpoints.push(read(path)?);
    }
    if !arguments.receipts.is_empty() {
        let keys = receipt_keys(&evidence, trust.vkey.as_deref());
        for path in &arguments.receipts {
            let text = read_text(path)?;
            findings.extend(receipt(&text, &keys, &mut evidence).err());
        }
    }
    let mut report = audit_with(&evidence, &trust);
    findings.append(&mut report.findings);
    report.findings = findings;
    print(&if arguments.json {
        report.to_json() + "\n"
    } else {
        report.to_text()
    });
    Ok(report.holds())
}

/// The keys by which a receipt may be signed: those of the log, those that were brought. Whether the one that signed was
/// in force then is for the audit to say, which is given the receipt's checkpoint.
fn receipt_keys(evidence: &Evidence, kept: Option<&str>) -> Vec<VerifierKey> {
    let mut keys = log_keys(&evidence.entries);
    let texts = [Some(evidence.vkey.as_str()), kept];
    let brought = texts.into_iter().flatten();
    keys.extend(brought.filter_map(|text| VerifierKey::parse(text.trim_end()).ok()));
    keys
}

/// A receipt must verify and be of an entry as exported; its checkpoint joins the evidence.
fn receipt(text: &str, keys: &[VerifierKey], evidence: &mut Evidence) -> Result<(), Finding> {
    let receipt = verify_receipt_by(text, keys)?;
    let exported = usize::try_from(receipt.index)
        .ok()
        .and_then(|index| evidence.entries.get(index));
    if exported.is_none_or(|entry| leaf_hash(entry) != leaf_hash(&receipt.entry)) {
        return Err(Finding {
            index: Some(receipt.index),
            rule: "receipt",
            what: "the log has another entry, or none, where the receipt has its release"
                .to_owned(),
        });
    }
    evidence.checkpoints.push(receipt.checkpoint);
    Ok(())
}
