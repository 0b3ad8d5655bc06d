//! `salus vacuum`: older snapshots go, and downloads that nobody needs.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use salus_lake::Retention;
use serde_json::json;

use crate::arguments::{Format, Vacuum};
use crate::failure::Failure;
use crate::home::Home;
use crate::output::{Rows, print};
use crate::settings::{Settings, days};

pub(crate) async fn run(root: &Path, command: &Vacuum, format: Format) -> Result<(), Failure> {
    let home = Home::at(root)?;
    let lake = home.lake()?;
    let kept = Settings::read(home.root())?.retention.unwrap_or_default();
    let kept = kept.retention(Duration::from_secs(command.wait));
    // How many snapshots stay says nothing about downloads.
    let idle = command.older_than.map_or(kept.history, days);
    let vacuumed = lake.vacuum(&retention(&kept, command)).await?;
    let mut downloads = downloads(home.root())?;
    for download in &mut downloads {
        if !command.downloads || download.idle < idle {
            continue;
        }
        let Some(_held) = download.held()? else {
            continue;
        };
        download.goes = true;
        if !command.dry_run {
            fs::remove_dir_all(&download.dir)?;
        }
    }
    let mut rows = Rows::new(&["what", "removed"]);
    rows.push(["snapshots".into(), vacuumed.snapshots.to_string()]);
    rows.push(["files".into(), vacuumed.files.to_string()]);
    rows.push(["bytes".into(), vacuumed.bytes.to_string()]);
    if vacuumed.waiting > 0 {
        let waiting = format!("{} wait for the next commit", vacuumed.waiting);
        rows.push(["files in the bucket".into(), waiting]);
    }
    for download in &downloads {
        let goes = if download.goes { "yes" } else { "no" };
        let name = format!("{} ({} bytes)", download.dir.display(), download.bytes);
        rows.push([name, goes.into()]);
    }
    let told = |download: &Download| {
        json!({
            "directory": download.dir, "bytes": download.bytes, "idle_days": download.idle.as_secs() / 86_400,
            "removed": download.goes && !command.dry_run,
        })
    };
    let json = json!({
        "dry_run": command.dry_run,
        "snapshots": vacuumed.snapshots,
        "files": vacuumed.files,
        "bytes": vacuumed.bytes,
        "waiting": vacuumed.waiting,
        "downloads": downloads.iter().map(told).collect::<Vec<_>>(),
    });
    print(format, &rows, &json);
    if format == Format::Table {
        if command.dry_run {
            println!("nothing was removed: this is what would go");
        }
        if downloads.iter().any(|download| !download.goes) {
            println!(
                "downloads of exports are not encrypted: --downloads removes those that nobody has worked on for as long; `salus ingest fhir URL` goes on with an interrupted one"
            );
        }
    }
    Ok(())
}

/// What is asked for, or what the home keeps.
fn retention(kept: &Retention, command: &Vacuum) -> Retention {
    let dry_run = command.dry_run;
    if command.keep.is_none() && command.older_than.is_none() {
        return Retention {
            dry_run,
            ..kept.clone()
        };
    }
    let newest = command.keep.map_or(1, std::num::NonZeroU32::get);
    Retention {
        newest: usize::try_from(newest).unwrap_or(usize::MAX),
        history: days(command.older_than.unwrap_or_default()),
        dry_run,
        ..kept.clone()
    }
}

/// Files of an export outside of the lake.
struct Download {
    dir: PathBuf,
    bytes: u64,
    /// How long nothing in it was written.
    idle: Duration,
    goes: bool,
}

impl Download {
    /// The lock of its source's exports, where no run is at work on them: none begins while it is held.
    fn held(&self) -> Result<Option<File>, Failure> {
        let Some(source) = self.dir.parent() else {
            return Ok(None);
        };
        let lock = File::create(source.join("lock"))?;
        Ok(lock.try_lock().is_ok().then_some(lock))
    }
}

/// Exports that are under way or were kept, by source.
fn downloads(root: &Path) -> Result<Vec<Download>, Failure> {
    let mut found = Vec::new();
    for source in directories(&root.join("exports"))? {
        for dir in directories(&source)? {
            let name = dir.file_name().unwrap_or_default().to_string_lossy();
            if !["job", "ended"].contains(&&*name) && !name.starts_with("kept-") {
                continue;
            }
            let (bytes, written) = measure(&dir)?;
            let idle = SystemTime::now().duration_since(written);
            found.push(Download {
                dir,
                bytes,
                idle: idle.unwrap_or_default(),
                goes: false,
            });
        }
    }
    Ok(found)
}

fn directories(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Bytes of a directory, and when something in it was written last.
fn measure(dir: &Path) -> Result<(u64, SystemTime), Failure> {
    let (mut bytes, mut written) = (0, fs::metadata(dir)?.modified()?);
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let found = entry.metadata()?;
        let (size, at) = if found.is_dir() {
            measure(&entry.path())?
        } else {
            (found.len(), found.modified()?)
        };
        bytes += size;
        written = written.max(at);
    }
    Ok((bytes, written))
}
