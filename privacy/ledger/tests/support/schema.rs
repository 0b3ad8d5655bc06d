//! `docs/ledger.cddl`, and whether an entry fits it.

use std::sync::LazyLock;

use cddl_cat::cbor::validate_cbor;
use cddl_cat::context::BasicContext;
use cddl_cat::flatten::flatten_from_str;

static SCHEMA: LazyLock<BasicContext> = LazyLock::new(|| {
    let text = include_str!("../../../../docs/ledger.cddl");
    BasicContext::new(flatten_from_str(text).unwrap())
});

/// Whether these bytes are an entry as the schema has it; if not, why.
pub(crate) fn fits(bytes: &[u8]) -> Result<(), String> {
    let item = ciborium::from_reader(bytes).map_err(|why| why.to_string())?;
    let entry = SCHEMA.rules.get("entry").unwrap();
    validate_cbor(entry, &item, &*SCHEMA).map_err(|why| why.to_string())
}
