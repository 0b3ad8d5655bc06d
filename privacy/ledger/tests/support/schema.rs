//! `docs/ledger.cddl`, and whether an entry fits it.

use std::sync::LazyLock;

use cddl_cat::cbor::validate_cbor;
use cddl_cat::context::BasicContext;
use cddl_cat::flatten::flatten_from_str;

static SCHEMA: LazyLock<BasicContext> = LazyLock::new(|| {
    let text = include_str!("../../../../docs/ledger.cddl");
    BasicContext::new(flatten_from_str(text).unwrap())
});

static RESTRICTED: LazyLock<BasicContext> = LazyLock::new(|| {
    let text = include_str!("../../../../docs/restricted.cddl");
    BasicContext::new(flatten_from_str(text).unwrap())
});

/// Whether these bytes are an entry as the schema has it; if not, why.
pub(crate) fn fits(bytes: &[u8]) -> Result<(), String> {
    fits_in(&SCHEMA, bytes)
}

/// The same of an entry of the restricted log.
#[allow(dead_code, reason = "each test target uses its own part")]
pub(crate) fn fits_restricted(bytes: &[u8]) -> Result<(), String> {
    fits_in(&RESTRICTED, bytes)
}

fn fits_in(schema: &BasicContext, bytes: &[u8]) -> Result<(), String> {
    let item = ciborium::from_reader(bytes).map_err(|why| why.to_string())?;
    let entry = schema.rules.get("entry").unwrap();
    validate_cbor(entry, &item, schema).map_err(|why| why.to_string())
}
