//! The lake from outside: what a commit makes visible, what it survives, what a scan sees.

// Test rows are built from small numbers: no conversion can lose anything.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss
)]

mod booking;
mod bucket;
mod catalog;
mod commit;
mod crash;
mod layout;
mod linkage;
mod nights;
mod quarantine;
mod reading;
mod removal;
mod rows;
mod scan;
mod sealed;
mod views;
