//! Who writes down whose consent an ingest changes, before it does.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::pin::Pin;

use salus_lake::{Transaction, Withheld};

use crate::error::IngestError;
use crate::options::Options;

/// Persons whose consent a snapshot changes, by the lake's numbers, ascending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConsentChanges {
    /// Who is kept out from this snapshot on.
    pub denied: Vec<i64>,
    /// Who is let in again.
    pub permitted: Vec<i64>,
}

/// What a [`Notary`] answers with.
pub type Noted<'n> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'n>>;

/// Writes down what an ingest is about to do to persons.
pub trait Notary: Debug + Send + Sync {
    /// Called once before a snapshot is committed that changes somebody's consent. What it does must be durable when it returns: the commit
    /// comes after it, and does not come where it fails. A commit that fails later leaves a record of what was not done.
    fn consents<'n>(&'n self, changes: &'n ConsentChanges) -> Noted<'n>;
}

/// Has the changes since `before` written down.
pub(crate) async fn note(
    options: &Options,
    before: &BTreeMap<i64, Withheld>,
    transaction: &Transaction,
) -> Result<(), IngestError> {
    let Some(notary) = &options.notary else {
        return Ok(());
    };
    let changes = changes(before, &transaction.all_withheld());
    if changes == ConsentChanges::default() {
        return Ok(());
    }
    let noted = notary.consents(&changes).await;
    noted.map_err(IngestError::Unrecorded)
}

fn changes(before: &BTreeMap<i64, Withheld>, after: &BTreeMap<i64, Withheld>) -> ConsentChanges {
    let denies = |list: &BTreeMap<i64, Withheld>, person: &i64| {
        matches!(list.get(person), Some(Withheld::Consent { .. }))
    };
    let only = |one: &BTreeMap<i64, Withheld>, other: &BTreeMap<i64, Withheld>| {
        let persons = one.keys().copied();
        persons
            .filter(|person| denies(one, person) && !denies(other, person))
            .collect()
    };
    ConsentChanges {
        denied: only(after, before),
        permitted: only(before, after),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_denied_and_who_is_let_in_again() {
        let deny = Withheld::Consent { since: None };
        let later = Withheld::Consent { since: Some(7) };
        let before = BTreeMap::from([(1, deny), (2, deny), (3, Withheld::Expunged)]);
        let after = BTreeMap::from([(2, later), (3, Withheld::Expunged), (4, deny)]);
        let found = changes(&before, &after);
        assert_eq!((found.denied, found.permitted), (vec![4], vec![1]));
        assert_eq!(changes(&after, &after), ConsentChanges::default());
    }
}
