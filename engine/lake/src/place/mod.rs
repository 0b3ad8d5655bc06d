//! Where the files of a lake lie: in directories of its home, or in a bucket of an object store.
//!
//! Everything is written to a local file first. In a directory it stays there; for a bucket it is uploaded when it is whole
//! and the local copy goes. Every file is written once under a name of its own and never changed, so the two need nothing in
//! common but: write, read, list, remove, and *publish*, which makes the small file of a snapshot appear whole.

mod bucket;
mod discreet;
mod folder;
mod io;
mod remote_rows;

pub use bucket::Bucket;
pub(crate) use folder::Folder;
