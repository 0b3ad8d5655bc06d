//! Placeholder while the crate is being put together.
fn main() {}
