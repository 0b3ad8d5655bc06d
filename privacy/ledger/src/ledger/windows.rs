//! Accounts of limits: what they let through, and the windows that officers can open. Nothing here writes.

use std::collections::{BTreeMap, BTreeSet};

use salus_accounting::Loss;
use salus_certificate::EntryIndex;

use super::Ledger;
use super::request::Account;
use crate::caps::Caps;
use crate::entry::{Body, Genesis, Kind, Limit};
use crate::error::Result;
use crate::store::{self, Session};

/// The policy in force, what was granted under it, and what was charged to its limits and those before.
struct Sheet {
    policy: EntryIndex,
    limits: Vec<Limit>,
    caps: Caps,
    spent: BTreeMap<String, Loss>,
}

impl Sheet {
    /// `None` where there is no policy.
    async fn read(db: &mut dyn Session, genesis: &Genesis) -> Result<Option<Self>> {
        let policy = store::newest(db, Kind::Policy).await?;
        let Some((policy, Body::Policy(body))) =
            policy.map(|stored| (stored.index, stored.entry.body))
        else {
            return Ok(None);
        };
        Ok(Some(Self {
            policy,
            limits: body.limits,
            caps: Caps::read(db, genesis).await?,
            spent: store::quotas(db).await?.into_iter().collect(),
        }))
    }

    fn account(&self, scope: &str, limit: &Limit, genesis: &Genesis) -> Account {
        Account {
            scope: scope.to_owned(),
            cap: self.caps.of_limit(scope, limit, self.policy),
            spent: self.spent.get(scope).copied().unwrap_or_default(),
            conversion_delta: genesis.conversion_delta,
        }
    }

    /// The account `scope`, if officers can raise its cap at `time`.
    fn window(&self, scope: &str, genesis: &Genesis, time: u64) -> Option<Account> {
        let limit = Limit::of_window(&self.limits, &genesis.space, scope, time).ok()?;
        Some(self.account(scope, limit, genesis))
    }
}

impl Ledger {
    /// The accounts of limits in force that anything has been charged to in this period, and those that officers have opened, also of
    /// periods to come.
    pub async fn limits(&self) -> Result<Vec<Account>> {
        let genesis = self.genesis();
        let time = (self.shared.clock)();
        let Some(sheet) = Sheet::read(&mut *self.reader().await, genesis).await? else {
            return Ok(Vec::new());
        };
        let charged = sheet.spent.keys().map(String::as_str);
        let scopes: BTreeSet<&str> = charged.chain(sheet.caps.opened(sheet.policy)).collect();
        let account = |scope| match Limit::of_scope(&sheet.limits, scope, time) {
            Some(limit) => Some(sheet.account(scope, limit, genesis)),
            None if sheet
                .caps
                .opened(sheet.policy)
                .any(|opened| opened == scope) =>
            {
                sheet.window(scope, genesis, time)
            }
            None => None,
        };
        Ok(scopes.into_iter().filter_map(account).collect())
    }

    /// The account `scope` of a limit that has periods, of this period or a later one; `None` where there is no such limit in force.
    pub async fn window(&self, scope: &str) -> Result<Option<Account>> {
        let time = (self.shared.clock)();
        let sheet = Sheet::read(&mut *self.reader().await, self.genesis()).await?;
        Ok(sheet.and_then(|sheet| sheet.window(scope, self.genesis(), time)))
    }

    /// The accounts that have such a window now: those that limits name, those that anything was charged to, and those that were opened.
    pub async fn windows(&self) -> Result<Vec<Account>> {
        let genesis = self.genesis();
        let time = (self.shared.clock)();
        let Some(sheet) = Sheet::read(&mut *self.reader().await, genesis).await? else {
            return Ok(Vec::new());
        };
        let named = sheet.limits.iter();
        let named = named.filter_map(|limit| limit.own_account(&genesis.space, time));
        let known = sheet.caps.opened(sheet.policy).map(str::to_owned);
        let charged = sheet.spent.keys().cloned();
        let scopes: BTreeSet<String> = named.chain(known).chain(charged).collect();
        let account = |scope: String| sheet.window(&scope, genesis, time);
        Ok(scopes.into_iter().filter_map(account).collect())
    }
}
