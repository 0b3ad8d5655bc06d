//! Twenty thousand small files: bounded memory, few open files, time in proportion.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use salus_bulk::{Job, Options, Progress, Silent};

use crate::server::{Stage, TestFile};
use crate::support::{Trial, quick};

fn tiny(count: usize) -> Vec<TestFile> {
    let line = |n: usize| format!("{{\"resourceType\":\"Patient\",\"id\":\"p{n}\"}}\n");
    (0..count)
        .map(|n| TestFile::new("Patient", line(n)))
        .collect()
}

/// Looks at this process while files arrive.
#[derive(Default)]
struct Watch {
    files: AtomicUsize,
    most_open: AtomicUsize,
}

impl Progress for Watch {
    fn completed(&self, _: &str, _: u64) {
        if self
            .files
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(500)
            && let Ok(open) = std::fs::read_dir("/proc/self/fd")
        {
            self.most_open.fetch_max(open.count(), Ordering::Relaxed);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_files() {
    let mut seconds = Vec::new();
    // Few before and after many: what else the machine does slows one of them too.
    for count in [2_000, 20_000, 2_000] {
        // In memory, where there is room: what is measured is our work and not the disk's.
        let mut trial = Trial::new(tiny(count)).await;
        if free_mebibytes("/dev/shm") > Some(200)
            && let Ok(home) = tempfile::tempdir_in("/dev/shm")
        {
            trial.home = home;
        }
        let watch = Arc::new(Watch::default());
        let options = Options {
            parallel: 8,
            deadline: None,
            ..quick()
        };
        let mut job = Job::start(&trial.dir(), trial.request(), options.clone()).unwrap();
        let begun = Instant::now();
        let export = job.run(watch.clone()).await.unwrap();
        seconds.push(begun.elapsed().as_secs_f64());
        assert_eq!(watch.files.load(Ordering::Relaxed), count);
        // The server's ends of the connections are counted too.
        let open = watch.most_open.load(Ordering::Relaxed);
        assert!(open < 100, "{open} files are open");
        assert_eq!(trial.server.seen(Stage::File).len(), count);
        let begun = Instant::now();
        trial.compare(&export);
        println!("compared in {:?}", begun.elapsed());
        drop(job);
        let begun = Instant::now();
        let again = Job::resume(&trial.dir(), options)
            .unwrap()
            .run(Arc::new(Silent))
            .await;
        assert_eq!(again.unwrap(), export);
        let resumed = begun.elapsed();
        println!(
            "{count} files in {:.1} s, {open} open, read back in {resumed:?}",
            seconds.last().unwrap()
        );
    }
    // Ten times the files; quadratic work would take a hundred times as long.
    let few = seconds[0].max(seconds[2]);
    assert!(seconds[1] < few * 30.0 + 2.0, "{seconds:?}");
}

/// Room in a file system.
fn free_mebibytes(path: &str) -> Option<u64> {
    let output = Command::new("df").args(["-P", "-m", path]).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    said.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()
}
