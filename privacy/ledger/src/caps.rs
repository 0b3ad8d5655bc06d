//! The caps that officers have granted: of the purse for good, of a window until the next policy.

use std::collections::BTreeMap;

use salus_accounting::Loss;
use salus_certificate::EntryIndex;

use crate::entry::{Body, Genesis, Grant, Kind, Limit};
use crate::error::Result;
use crate::store::{self, Session};

/// What all grants so far come to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caps {
    /// Account of the purse.
    scope: String,
    purse: Loss,
    /// The last grant of each other account, and what it granted.
    windows: BTreeMap<String, (EntryIndex, Loss)>,
}

impl Caps {
    /// Before any grant.
    pub(crate) fn of(genesis: &Genesis) -> Self {
        Self {
            scope: genesis.scope(),
            purse: genesis.cap,
            windows: BTreeMap::new(),
        }
    }

    /// As the log has them.
    pub(crate) async fn read(db: &mut dyn Session, genesis: &Genesis) -> Result<Self> {
        let mut caps = Self::of(genesis);
        for stored in store::all_of(db, Kind::Grant).await? {
            if let Body::Grant(grant) = &stored.entry.body {
                caps.accept(stored.index, grant);
            }
        }
        Ok(caps)
    }

    /// A grant is of one account, and leaves all others as they are.
    pub(crate) fn accept(&mut self, at: EntryIndex, grant: &Grant) {
        if self.is_of_purse(grant) {
            self.purse = grant.new;
        } else {
            self.windows.insert(grant.scope.clone(), (at, grant.new));
        }
    }

    pub(crate) fn is_of_purse(&self, grant: &Grant) -> bool {
        grant.scope == self.scope
    }

    /// The cap of the purse in force.
    pub(crate) fn purse(&self) -> Loss {
        self.purse
    }

    /// The cap in force of the account `scope`, which `limit` keeps under the policy of entry `policy`. What was granted under an
    /// earlier policy ended with it.
    pub(crate) fn of_limit(&self, scope: &str, limit: &Limit, policy: EntryIndex) -> Loss {
        let granted = self.windows.get(scope);
        let granted = granted.filter(|(at, _)| *at > policy);
        granted.map_or(limit.cap, |(_, cap)| *cap)
    }

    /// The accounts of which something was granted under the policy of entry `policy`.
    pub(crate) fn opened(&self, policy: EntryIndex) -> impl Iterator<Item = &str> {
        let windows = self.windows.iter();
        windows.filter_map(move |(scope, (at, _))| (*at > policy).then_some(scope.as_str()))
    }
}
