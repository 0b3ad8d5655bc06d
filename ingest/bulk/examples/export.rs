//! An export from the command line, to try the client against a server:
//!
//! ```text
//! cargo run -p salus-bulk --example export -- https://example.org/fhir/Patient/\$export export
//! SALUS_CLIENT=id SALUS_KEY=client.pem cargo run -p salus-bulk --example export -- URL export
//! ```
//!
//! The same line again goes on where the last one ended.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use salus_bulk::{Auth, BackendServices, BulkError, Job, Options, Progress, Request, SigningKey};

struct Lines;

impl Progress for Lines {
    fn accepted(&self, kickoffs: u32) {
        println!("accepted (kick-off {kickoffs})");
    }

    fn waiting(&self, text: Option<&str>, pause: Duration) {
        println!(
            "{}, asking again in {pause:.1?}",
            text.unwrap_or("not ready")
        );
    }

    fn listed(&self, files: usize, missing: usize) {
        println!("{files} files, {missing} to download");
    }

    fn retrying(&self, text: &str, pause: Duration) {
        println!("{text}; trying again in {pause:.1?}");
    }
}

#[tokio::main]
async fn main() -> Result<(), BulkError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, dir] = arguments.as_slice() else {
        return Err(BulkError::Options("usage: export URL DIRECTORY".into()));
    };
    let mut options = Options::default();
    if let (Ok(client), Ok(key)) = (std::env::var("SALUS_CLIENT"), std::env::var("SALUS_KEY")) {
        let keys = SigningKey::read(Path::new(&key))?;
        options.auth = Auth::Backend(BackendServices::new(client, keys).into());
    }
    let dir = Path::new(dir);
    let mut job = if dir.join("job.json").exists() {
        Job::resume(dir, options)?
    } else {
        Job::start(dir, Request::from_url(url)?, options)?
    };
    let begun = Instant::now();
    let export = job.run(Arc::new(Lines)).await?;
    for (kind, files) in export.by_type() {
        let resources: u64 = files.iter().map(|file| file.resources).sum();
        println!("{kind}: {resources} in {} files", files.len());
    }
    for issue in export.issues()? {
        println!("{} {}: {} times", issue.severity, issue.code, issue.count);
    }
    let deletions = export.deletions().count();
    let bytes: u64 = export.output.iter().map(|file| file.bytes).sum();
    let time = export.transaction_time.as_deref().unwrap_or("unknown");
    let seconds = begun.elapsed().as_secs_f64();
    println!("{deletions} deletions; {bytes} bytes in {seconds:.1} s; as of {time}");
    Ok(())
}
