//! The key that another process has put into force is taken up, so that what is at work here is not lost to a rotation.

use crate::Keyring;
use crate::entry::{Body, Kind, Statement};
use crate::error::{Result, integrity};
use crate::key::{self, Signer};
use crate::store::{self, Session};

/// Turns to the key in force, where its private half is found. Each key since this one must have been signed for by the one before (rule K1):
/// otherwise nobody rotated, and somebody has written to the store.
pub(super) async fn follow(
    signer: &mut Signer,
    keys: Option<&Keyring>,
    db: &mut dyn Session,
) -> Result<()> {
    let Some(keys) = keys else { return Ok(()) };
    let newest = store::newest(db, Kind::Key).await?;
    let Some(Body::Key(newest)) = newest.map(|stored| stored.entry.body) else {
        return Ok(());
    };
    let mut in_force = signer.verifier().public();
    if newest.public == in_force {
        return Ok(());
    }
    let mut since = store::all_of(db, Kind::Key).await?.into_iter();
    let ours =
        since.find(|stored| matches!(&stored.entry.body, Body::Key(key) if key.public == in_force));
    if ours.is_none() {
        return Err(integrity("K1: the key of this process is not in the log"));
    }
    for stored in since {
        let Body::Key(next) = &stored.entry.body else {
            continue;
        };
        let statement = Statement::of(signer.origin(), &stored.entry.body);
        let endorsed = next
            .signature
            .is_some_and(|by| key::verifies(&in_force, statement.bytes(), &by));
        if !endorsed {
            return Err(integrity(format!(
                "K1: entry {}: the key before it has not signed for it",
                stored.index
            )));
        }
        in_force = next.public;
    }
    if let Some(next) = keys(&in_force) {
        *signer = next;
    }
    Ok(())
}
