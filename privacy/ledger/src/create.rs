//! Making a ledger: whole, or not at all.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use salus_accounting::Loss;

use crate::Surroundings;
use crate::anchor::{Anchor, Record};
use crate::entry::{Body, Genesis, Key};
use crate::error::{Error, Result};
use crate::key::Signer;
use crate::restricted;
use crate::store::{self, AccountRow, Lock, Place, sqlite};
use crate::transaction::Transaction;

/// Makes the store with the first entries, and begins the anchor.
pub(crate) async fn create(
    place: &Place,
    signer: &Signer,
    genesis: Genesis,
    around: &Surroundings,
) -> Result<()> {
    check(signer, &genesis)?;
    if let Some(anchor) = &around.anchor
        && !anchor.newest(1).await?.is_empty()
    {
        return Err(Error::Refused(
            "the anchor holds the checkpoints of another ledger; each ledger has one of its own"
                .to_owned(),
        ));
    }
    let note = make(place, signer, genesis, (around.clock)()).await?;
    match &around.anchor {
        Some(anchor) => begin_anchor(anchor.as_ref(), note, Loss::ZERO).await,
        None => Ok(()),
    }
}

/// Makes the store with the first entries, whole or not at all. Gives the checkpoint.
pub(crate) async fn make(
    place: &Place,
    signer: &Signer,
    genesis: Genesis,
    time: u64,
) -> Result<Vec<u8>> {
    check(signer, &genesis)?;
    match place {
        Place::Directory(dir) => in_directory(dir, signer, genesis, time).await,
        #[cfg(feature = "postgres")]
        Place::Postgres(server) => in_schema(server, signer, genesis, time).await,
    }
}

/// Makes the schema and what is in it in one transaction. Gives the checkpoint.
#[cfg(feature = "postgres")]
async fn in_schema(
    server: &store::Server,
    signer: &Signer,
    genesis: Genesis,
    time: u64,
) -> Result<Vec<u8>> {
    let mut session = store::postgres::connect(server).await?;
    let mut lock = session.initialise().await?;
    let note = write(&mut lock, signer, genesis, time).await?;
    lock.commit().await?;
    session.close().await?;
    Ok(note)
}

/// Makes the database under another name and links it to its own once it is complete and on the disk. Gives the checkpoint.
async fn in_directory(dir: &Path, signer: &Signer, genesis: Genesis, time: u64) -> Result<Vec<u8>> {
    private_directory(dir)?;
    let file = sqlite::database(dir);
    let mut nonce = [0; 8];
    getrandom::fill(&mut nonce)
        .map_err(|_| Error::Unavailable("the operating system gives no randomness"))?;
    let draft = dir.join(format!("ledger.{:016x}.new", u64::from_be_bytes(nonce)));
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .map_err(|error| unwritable(&error))?;
    let made = write_file(&draft, signer, genesis, time)
        .await
        .and_then(|note| {
            // A link never replaces: of two who create at once, one fails.
            std::fs::hard_link(&draft, &file).map_err(|error| match error.kind() {
                ErrorKind::AlreadyExists => {
                    Error::Refused("there is a ledger in this directory already".to_owned())
                }
                _ => unwritable(&error),
            })?;
            Ok(note)
        });
    for leftover in ["", "-wal", "-shm", "-journal"] {
        // Whatever cannot be removed is under a name that nobody opens.
        let _ = std::fs::remove_file(with_suffix(&draft, leftover));
    }
    let note = made?;
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|error| unwritable(&error))?;
    Ok(note)
}

/// Puts the first record into an empty anchor.
pub(crate) async fn begin_anchor(
    anchor: &dyn Anchor,
    checkpoint: Vec<u8>,
    spent: Loss,
) -> Result<()> {
    let record = Record { checkpoint, spent }.encode();
    if anchor.newest(1).await?.is_empty() && anchor.create(0, &record).await? {
        return Ok(());
    }
    Err(Error::Refused("the anchor is not empty".to_owned()))
}

fn with_suffix(path: &Path, suffix: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

async fn write_file(file: &Path, signer: &Signer, genesis: Genesis, time: u64) -> Result<Vec<u8>> {
    let mut db = sqlite::initialise(file).await?;
    let mut lock = db.lock().await?;
    let note = write(&mut lock, signer, genesis, time).await?;
    lock.commit().await?;
    db.close().await?;
    File::open(file)
        .and_then(|file| file.sync_all())
        .map_err(|error| unwritable(&error))?;
    Ok(note)
}

/// The first two entries and the purse.
async fn write(
    lock: &mut Lock<'_>,
    signer: &Signer,
    genesis: Genesis,
    time: u64,
) -> Result<Vec<u8>> {
    if genesis.restricted.is_some() {
        restricted::create(lock, signer, &genesis.origin, time).await?;
    }
    let mut log = Transaction::empty(lock, signer, &genesis, time);
    log.append(Body::Genesis(genesis.clone()))?;
    log.append(Body::Key(Key {
        public: signer.verifier().public(),
        signature: None,
    }))?;
    log.anchor_restricted().await?;
    let note = log.sign().await?;
    let account = AccountRow {
        scope: genesis.scope(),
        cap: genesis.cap,
        spent: genesis.opening(),
    };
    store::insert_account(lock, &account).await?;
    for limit in genesis.predecessor.iter().flat_map(|before| &before.limits) {
        store::charge_quota(lock, &limit.scope, limit.spent).await?;
    }
    Ok(note)
}

/// Rule F2, and what the store can hold.
fn check(signer: &Signer, genesis: &Genesis) -> Result<()> {
    let refused = |what: &str| Err(Error::Refused(what.to_owned()));
    if signer.origin() != genesis.origin {
        return refused("the signing key is of another origin");
    }
    if genesis.origin.ends_with(restricted::SUFFIX) {
        return refused("origins that end in /restricted are those of restricted logs");
    }
    if genesis.restricted == Some(0) {
        return refused("F1: the restricted log is anchored every second at most");
    }
    if genesis.space.is_empty() || genesis.space.contains('\0') {
        return refused("the identity space has no name, or one with a NUL");
    }
    if !genesis.cap.fits_within(&genesis.ceiling)
        || genesis.ceiling.delta == salus_accounting::Delta::ONE
    {
        return refused("F2: the cap is at most the ceiling, and the ceiling's delta is below one");
    }
    store::signed(genesis.ceiling.rho.units()).map(drop)
}

fn private_directory(dir: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|error| unwritable(&error))?;
    let mode = std::fs::metadata(dir)
        .map_err(|error| unwritable(&error))?
        .permissions()
        .mode();
    let others = mode & 0o077;
    if others == 0 {
        return Ok(());
    }
    let empty = std::fs::read_dir(dir)
        .map_err(|error| unwritable(&error))?
        .next()
        .is_none();
    if !empty {
        return Err(Error::Refused(
            "others can enter the ledger's directory (mode 0700 is needed)".to_owned(),
        ));
    }
    std::fs::set_permissions(dir, Permissions::from_mode(0o700)).map_err(|error| unwritable(&error))
}

fn unwritable(error: &std::io::Error) -> Error {
    match error.kind() {
        ErrorKind::StorageFull => Error::Unavailable("the disk is full"),
        _ => Error::Unavailable("the ledger's directory cannot be written"),
    }
}
