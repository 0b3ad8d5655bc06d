//! Errors at run time, within one resource.

use std::borrow::Cow;

/// Why an expression has no result for a resource. Holds no value of the resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault(pub(crate) Cow<'static, str>);

impl Fault {
    pub(crate) fn new<T>(what: impl Into<Cow<'static, str>>) -> Result<T, Self> {
        Err(Self(what.into()))
    }
}
