//! A lake in a bucket, on a server that runs: the whole of its life, two writers, and what a bad server or network does.

mod faults;
mod life;
pub(crate) mod server;
mod writers;

use std::path::Path;

use salus_lake::{Bucket, Catalog, Lake};
use tempfile::TempDir;

use server::Server;

/// A fresh lake in the bucket; its home goes with the first value.
pub(crate) fn fresh_in(bucket: &Bucket) -> (TempDir, Lake) {
    let home = tempfile::tempdir().expect("a temporary directory");
    let lake = Lake::create_at(home.path(), Catalog::default_yaml(), None, Some(bucket));
    (home, lake.expect("a new lake"))
}

/// What a second machine has: a copy of the home, and the bucket.
fn second_home(first: &TempDir, bucket: &Bucket) -> (TempDir, Lake) {
    let home = tempfile::tempdir().expect("a temporary directory");
    for name in ["catalog.yaml", "keys/lake.key", "lake/.lock"] {
        let (from, to) = (first.path().join(name), home.path().join(name));
        std::fs::create_dir_all(to.parent().expect("a directory")).expect("a directory");
        std::fs::copy(from, to).expect(name);
    }
    let lake = open(home.path(), bucket);
    (home, lake)
}

pub(crate) fn open(home: &Path, bucket: &Bucket) -> Lake {
    Lake::open_at(home, None, Some(bucket)).expect("the lake")
}

/// Names of the objects.
async fn names(server: &Server) -> Vec<String> {
    let objects = server.objects().await;
    objects.into_iter().map(|(name, _)| name).collect()
}
