//! The identity index: which person a source's identifier belongs to.
use crate::error::Result;

/// Assigns dense person ids from 1 to (source system, source id). Ids become durable with the transaction's snapshot.
#[derive(Debug)]
pub struct IdentityIndex {}

impl IdentityIndex {
    /// The person of `source_id` in `system`, assigned now if it is new.
    pub fn resolve_or_assign(&self, _system: &str, _source_id: &str) -> Result<i64> {
        todo!()
    }
    /// The person of `source_id` in `system`, if known.
    pub fn lookup(&self, _system: &str, _source_id: &str) -> Option<i64> {
        todo!()
    }
    /// Assigns the persons `first_person .. first_person + count` to the source ids `prefix0, prefix1, …` at once, in constant memory.
    /// Repeating a call gives the same first person. For generators.
    pub fn assign_range(&self, _system: &str, _prefix: &str, _count: u64) -> Result<i64> {
        todo!()
    }
}
