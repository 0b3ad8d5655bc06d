//! A home on disk: lake, ledger, keys, policy.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use salus_lake::Lake;
use salus_ledger::entry::{Body, Kind};
use salus_ledger::{EntryIndex, Ledger, Signer, key};
use salus_query::{Books, Engine, Policy};
use sha2::{Digest, Sha256};

use crate::failure::Failure;

/// The directory that `salus init` made.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    root: PathBuf,
}

impl Home {
    /// The home at `root`, which must have been initialised.
    pub(crate) fn at(root: &Path) -> Result<Self, Failure> {
        let home = Self {
            root: root.to_owned(),
        };
        if !home.key_file().exists() {
            return Err(Failure::usage(format!(
                "{} is not a Salus home; run `salus init --home {}` first, or name another with --home or SALUS_HOME",
                root.display(),
                root.display()
            )));
        }
        Ok(home)
    }

    /// Makes the directories of a new home. Refuses if there is one.
    pub(crate) fn create(root: &Path) -> Result<Self, Failure> {
        let home = Self {
            root: root.to_owned(),
        };
        let occupied = fs::read_dir(root).is_ok_and(|mut files| files.next().is_some());
        if occupied {
            return Err(Failure::usage(format!(
                "{} is not empty; nothing was overwritten. Choose another --home",
                root.display()
            )));
        }
        let dirs = ["keys", "policies", "receipts"].map(|name| home.root.join(name));
        for dir in [root.to_owned()].iter().chain(&dirs) {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(dir)
                .with_context(|| format!("cannot create {}", dir.display()))?;
        }
        Ok(home)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn key_file(&self) -> PathBuf {
        self.root.join("keys/ledger.key")
    }

    pub(crate) fn vkey_file(&self) -> PathBuf {
        self.root.join("keys/ledger.vkey")
    }

    pub(crate) fn ledger_dir(&self) -> PathBuf {
        self.root.join("ledger")
    }

    /// Every policy that was ever brought into force, each under the hash that the ledger records.
    fn policy_file(&self, sha256: &[u8]) -> PathBuf {
        let name = format!("{}.yaml", crate::output::hex(sha256));
        self.root.join("policies").join(name)
    }

    fn pseudonym_file(&self) -> PathBuf {
        self.root.join("keys/pseudonym.key")
    }

    pub(crate) fn receipts(&self) -> PathBuf {
        self.root.join("receipts")
    }

    pub(crate) fn lake(&self) -> Result<Lake, Failure> {
        Ok(Lake::open(&self.root)?)
    }

    pub(crate) fn signer(&self) -> Result<Signer, Failure> {
        Ok(key::load(&self.key_file())?)
    }

    pub(crate) async fn ledger(&self) -> Result<Ledger, Failure> {
        Ok(Ledger::open(&self.ledger_dir(), self.signer()?).await?)
    }

    /// The public key that receipts and checkpoints verify with.
    pub(crate) fn vkey(&self) -> Result<String, Failure> {
        let file = self.vkey_file();
        let text =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        Ok(text.trim().to_owned())
    }

    /// Catches the ledger up with catalog and snapshot.
    pub(crate) async fn books(&self, lake: &Lake, ledger: &Ledger) -> Result<Books, Failure> {
        let policy = self.policy(ledger).await?;
        Ok(Books::current(lake, ledger, &policy).await?)
    }

    /// The policy in force, as its file reads.
    pub(crate) async fn policy(&self, ledger: &Ledger) -> Result<String, Failure> {
        let newest = ledger.newest(Kind::Policy).await?;
        let Some(Body::Policy(recorded)) = newest.map(|stored| stored.entry.body) else {
            return Err(
                anyhow!("there is no policy in force; run `salus policy apply FILE`").into(),
            );
        };
        let file = self.policy_file(&recorded.sha256);
        let text = fs::read_to_string(&file).with_context(|| {
            let (version, file) = (recorded.version, file.display());
            format!("cannot read policy {version}, which is in force, from {file}; put it back, or apply a later one")
        })?;
        if Sha256::digest(text.as_bytes()).as_slice() != recorded.sha256 {
            return Err(Failure::Integrity(format!(
                "{} is not the policy that the ledger records; put it back, or apply a later one with `salus policy apply`",
                file.display()
            )));
        }
        Ok(text)
    }

    /// Brings a policy into force: the file first, then the entry that names it.
    pub(crate) async fn apply_policy(
        &self,
        ledger: &Ledger,
        policy: &Policy,
        text: &str,
    ) -> Result<EntryIndex, Failure> {
        let conversion = ledger.genesis().conversion_delta;
        let secret = self.pseudonym_secret()?;
        let fact = policy
            .fact(text, conversion, &|user| pseudonym(&secret, user))
            .map_err(Failure::usage)?;
        let file = self.policy_file(&Sha256::digest(text.as_bytes()));
        // In one step, so that one of the same name, which has the same text, is there at every moment.
        let draft = file.with_extension(format!("{}.new", std::process::id()));
        write_private(&draft, text.as_bytes())?;
        fs::rename(&draft, &file).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(ledger.record(fact).await?)
    }

    pub(crate) async fn engine(&self) -> Result<(Engine, Ledger), Failure> {
        let lake = self.lake()?;
        let ledger = self.ledger().await?;
        let books = self.books(&lake, &ledger).await?;
        Ok((Engine::open(lake, ledger.clone(), books)?, ledger))
    }

    /// Writes the secret from which pseudonyms are made.
    pub(crate) fn write_pseudonym_key(&self) -> Result<(), Failure> {
        let mut secret = [0_u8; 32];
        getrandom::fill(&mut secret).map_err(|e| anyhow!("no randomness: {e}"))?;
        write_private(&self.pseudonym_file(), &secret)
    }

    /// The pseudonym under which a user stands in the ledger: staff are not named in leaves.
    pub(crate) fn pseudonym(&self, user: &str) -> Result<String, Failure> {
        Ok(pseudonym(&self.pseudonym_secret()?, user))
    }

    fn pseudonym_secret(&self) -> Result<Vec<u8>, Failure> {
        let file = self.pseudonym_file();
        Ok(fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?)
    }
}

fn pseudonym(secret: &[u8], user: &str) -> String {
    let digest = Sha256::new()
        .chain_update(secret)
        .chain_update(user.as_bytes())
        .finalize();
    let mut name = crate::output::hex(&digest);
    name.truncate(12);
    format!("p-{name}")
}

/// Writes a new file that only its owner can read, and syncs it.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot create {}", path.display()))?;
    file.write_all(bytes)
        .with_context(|| format!("cannot write {}", path.display()))?;
    file.sync_all()
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}
