//! A home on disk: lake, ledger, keys, policy.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use salus_lake::Lake;
use salus_ledger::anchor::Directory;
use salus_ledger::cosign::SharedWitnesses;
use salus_ledger::entry::{Body, Kind};
use salus_ledger::{EntryIndex, Genesis, Ledger, Signer, Surroundings, key};
use salus_query::{Books, Engine, Policy};
use sha2::{Digest, Sha256};

use crate::failure::Failure;
use crate::memory::Memory;
use crate::settings::Settings;

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

    /// The key that a rotation is about to put into force.
    pub(crate) fn next_key_file(&self) -> PathBuf {
        self.root.join("keys/next.key")
    }

    /// Signing keys that were replaced.
    pub(crate) fn retired_keys(&self) -> PathBuf {
        self.root.join("keys/retired")
    }

    pub(crate) fn anchor_dir(&self) -> Result<PathBuf, Failure> {
        Ok(self.root.join(Settings::read(&self.root)?.anchor))
    }

    fn surroundings(&self) -> Result<Surroundings, Failure> {
        let settings = Settings::read(&self.root)?;
        let anchor = Directory::at(&self.root.join(&settings.anchor))?;
        let witnesses = match &settings.witness_policy {
            Some(file) => Some(witnesses(&self.root.join(file))?),
            None => None,
        };
        Ok(Surroundings {
            anchor: Some(Arc::new(anchor)),
            witnesses,
            ..Surroundings::default()
        })
    }

    /// Makes the ledger of a new home.
    pub(crate) async fn create_ledger(
        &self,
        signer: Signer,
        genesis: Genesis,
    ) -> Result<Ledger, Failure> {
        let around = self.surroundings()?;
        Ok(Ledger::create_in(&self.ledger_dir(), signer, genesis, around).await?)
    }

    pub(crate) async fn ledger(&self) -> Result<Ledger, Failure> {
        let (dir, around) = (self.ledger_dir(), self.surroundings()?);
        let next = self.next_key_file();
        if next.exists() {
            // A rotation stopped half-way: the ledger knows which key is in force.
            let signer = key::load(&next)?;
            if let Ok(ledger) = Ledger::open_in(&dir, signer.clone(), around.clone()).await {
                self.finish_rotation(&signer)?;
                return Ok(ledger);
            }
        }
        let ledger = Ledger::open_in(&dir, self.signer()?, around).await?;
        Memory::of(&ledger.genesis().origin)?.check(&ledger).await?;
        Ok(ledger)
    }

    /// Puts the files of a key that is in force where they belong; can be repeated.
    pub(crate) fn finish_rotation(&self, signer: &Signer) -> Result<(), Failure> {
        let (current, retired) = (self.key_file(), self.retired_keys());
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&retired)
            .with_context(|| format!("cannot create {}", retired.display()))?;
        let vkey = signer.vkey();
        let known = fs::read_to_string(self.vkey_file()).unwrap_or_default();
        if known.trim() != vkey {
            let old = known.trim().to_owned();
            let id = old.split('+').nth(1).unwrap_or("unknown").to_owned();
            if current.exists() {
                fs::copy(&current, retired.join(format!("{id}.key")))
                    .with_context(|| format!("cannot write {}", retired.display()))?;
            }
            let draft = self.vkey_file().with_extension("new");
            let _ = fs::remove_file(&draft);
            write_private(&draft, format!("{vkey}\n").as_bytes())?;
            write_file(&retired.join(format!("{id}.vkey")), &old)?;
            fs::rename(&draft, self.vkey_file()).context("cannot write keys/ledger.vkey")?;
        }
        fs::rename(self.next_key_file(), &current)
            .with_context(|| format!("cannot write {}", current.display()))?;
        Ok(())
    }

    /// The verifier keys of the log, that in force first.
    pub(crate) fn vkeys(&self) -> Result<Vec<String>, Failure> {
        let mut keys = vec![self.vkey()?];
        for file in fs::read_dir(self.retired_keys())
            .into_iter()
            .flatten()
            .flatten()
        {
            let path = file.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "vkey")
            {
                let text = fs::read_to_string(&path)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                keys.push(text.trim().to_owned());
            }
        }
        Ok(keys)
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

/// The witnesses of a policy file.
pub(crate) fn witnesses(file: &Path) -> Result<SharedWitnesses, Failure> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let quorum = salus_witness::Policy::parse(&text).and_then(salus_witness::Quorum::new);
    let quorum = quorum.map_err(|what| Failure::usage(format!("{}: {what}", file.display())))?;
    Ok(Arc::new(quorum))
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

/// Writes a small public file, over one of the same name.
fn write_file(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, format!("{text}\n"))
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
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
