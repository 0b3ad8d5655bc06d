//! The lake from outside: what a commit makes visible, what it survives, what a scan sees.

mod catalog;
mod commit;
mod crash;
mod layout;
mod quarantine;
mod rows;
mod scan;
