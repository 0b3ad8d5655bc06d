//! A home on disk: lake, ledger, keys, policy.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf, absolute};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use hmac::{Hmac, KeyInit as _, Mac as _};
use salus_lake::Lake;
use salus_ledger::anchor::SharedAnchor;
use salus_ledger::cosign::SharedWitnesses;
use salus_ledger::entry::{Body, Kind};
use salus_ledger::{
    Ended, EntryIndex, Error, Genesis, Ledger, Place, Signer, Surroundings, key, key_in_force,
};
use salus_query::{Books, Engine, Policy};
use sha2::{Digest, Sha256};

use crate::anchors;
use crate::booking;
use crate::failure::Failure;
use crate::files;
use crate::memory::Memory;
use crate::names::Names;
use crate::output::hex;
use crate::settings::Settings;

/// How long an ingest waits for readers before it leaves older snapshots to the next one.
const SHORTLY: Duration = Duration::from_secs(2);

/// The directory that `salus init` made.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    root: PathBuf,
}

/// What is wrong with the store of a log that ended stops nobody but who erases.
pub(crate) fn of_ended(error: &Error) -> Failure {
    let said = format!(
        "the store of a log that ended (`ended` in home.yaml): {error}; nothing beside it was erased. Put it in order, or delete it if its export in past/ is all you keep, and run this again"
    );
    match error {
        Error::Integrity(_) => Failure::Integrity(said),
        _ => Failure::Other(anyhow!(said)),
    }
}

impl Home {
    /// The home at `root`, which must have been initialised.
    pub(crate) fn at(root: &Path) -> Result<Self, Failure> {
        let home = Self {
            root: root.to_owned(),
        };
        if !home.vkey_file().exists() {
            return Err(Failure::usage(format!(
                "{} is not a Salus home; run `salus init --home {}` first, or name another with --home or SALUS_HOME",
                root.display(),
                root.display()
            )));
        }
        Ok(home)
    }

    /// Makes the directories of a new home under a name beside it; [`Home::settle`] gives it its own, once it is whole.
    pub(crate) fn draft(root: &Path) -> Result<Self, Failure> {
        let occupied = fs::read_dir(root).is_ok_and(|mut files| files.next().is_some());
        if occupied || root.is_file() {
            return Err(Failure::usage(format!(
                "{} is not empty; nothing was overwritten. Choose another --home",
                root.display()
            )));
        }
        let root = absolute(root).with_context(|| format!("cannot use {}", root.display()))?;
        let mut nonce = [0_u8; 8];
        getrandom::fill(&mut nonce).map_err(|e| anyhow!("no randomness: {e}"))?;
        let mut name = root.as_os_str().to_owned();
        name.push(format!(".{}.new", hex(&nonce)));
        let home = Self { root: name.into() };
        let dirs = ["keys", "policies", "receipts"].map(|name| home.root.join(name));
        for dir in [home.root.clone()].iter().chain(&dirs) {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(dir)
                .with_context(|| format!("cannot create {}", dir.display()))?;
        }
        Ok(home)
    }

    /// Gives a whole home its name, in one step.
    pub(crate) fn settle(self, root: &Path) -> Result<Self, Failure> {
        let root = absolute(root).with_context(|| format!("cannot use {}", root.display()))?;
        fs::rename(&self.root, &root)
            .and_then(|()| files::sync_parent(&root))
            .with_context(|| {
                let (draft, root) = (self.root.display(), root.display());
                format!("cannot rename {draft} to {root}")
            })?;
        Ok(Self { root })
    }

    /// Removes what was made of a home that did not come to be.
    pub(crate) fn discard(&self) {
        // Whatever is left is under a name that nobody opens.
        let _ = fs::remove_dir_all(&self.root);
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

    /// Where the ledger is kept: in the home, or where `home.yaml` says.
    pub(crate) fn ledger_place(&self) -> Result<Place, Failure> {
        Settings::read(&self.root)?.place(&self.root)
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

    /// Where what is left of a log that ended is kept.
    pub(crate) fn past(&self, origin: &str) -> PathBuf {
        self.root.join("past").join(log_name(origin))
    }

    /// The receipt of an answer. Entries are counted anew in each log, so each has a directory.
    pub(crate) fn receipt_file(&self, origin: &str, entry: EntryIndex) -> PathBuf {
        let name = format!("{}.tlog-proof", entry.0);
        self.receipts().join(log_name(origin)).join(name)
    }

    /// The receipt of this entry of the home's log.
    pub(crate) fn find_receipt(&self, entry: EntryIndex) -> Result<PathBuf, Failure> {
        let vkey = self.vkey()?;
        let origin = vkey.split('+').next().unwrap_or_default();
        let file = self.receipt_file(origin, entry);
        // As it was called before logs had directories.
        let before = self.receipts().join(format!("{}.tlog-proof", entry.0));
        let there = [&file, &before].into_iter().find(|file| file.is_file());
        there.cloned().ok_or_else(|| {
            Failure::usage(format!(
                "there is no {}; receipts of logs before this one are in directories beside it, and are named by their files",
                file.display()
            ))
        })
    }

    pub(crate) fn lake(&self) -> Result<Lake, Failure> {
        let settings = Settings::read(&self.root)?;
        Ok(Lake::open_at(
            &self.root,
            None,
            settings.bucket()?.as_ref(),
        )?)
    }

    /// The lake, whose answers are booked in the ledger of this home: for whoever adds to it, or takes from it.
    pub(crate) async fn own_lake(&self) -> Result<Lake, Failure> {
        let lake = self.lake()?;
        let ledger = self.ledger().await?;
        let own = booking::check(self, &lake, &ledger).await;
        ledger.close().await?;
        own.map(|()| lake)
    }

    /// The signing key that the ledger puts into force; where the ledger cannot be read, the first, for the ledger to judge.
    pub(crate) async fn signer(&self) -> Result<Signer, Failure> {
        let in_force = key_in_force(self.ledger_place()?).await.ok();
        let signers = self.signers()?;
        let found = signers
            .into_iter()
            .find(|(_, signer)| Some(signer.verifier().public()) == in_force);
        match found {
            Some((_, signer)) => Ok(signer),
            None => Ok(key::load(&self.key_file()).with_context(|| {
                format!(
                    "{} holds no signing key that can be used",
                    self.key_file().display()
                )
            })?),
        }
    }

    /// The file of the private half of a signing key that came later than the first.
    pub(crate) fn later_key_file(&self, id: &str) -> PathBuf {
        self.root.join(format!("keys/ledger-{id}.key"))
    }

    /// Takes in the signing key of a log that is to begin. Done twice it is done once.
    pub(crate) fn keep_key(&self, file: &Path, signer: &Signer) -> Result<(), Failure> {
        let known = self.signers()?;
        if known.iter().any(|(_, known)| known.vkey() == signer.vkey()) {
            return Ok(());
        }
        let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let vkey = signer.vkey();
        let id = vkey.split('+').nth(1).unwrap_or("next");
        files::create(&self.later_key_file(id), &bytes)
    }

    /// Tells the ledger of the newest snapshot, now or when the next question is asked, and removes older ones that need not stay.
    pub(crate) async fn record_snapshot(&self, lake: &Lake) -> Result<(), Failure> {
        let ledger = self.ledger().await?;
        self.books(lake, &ledger).await?;
        ledger.close().await?;
        let kept = Settings::read(&self.root)?.retention.unwrap_or_default();
        match lake.vacuum(&kept.retention(SHORTLY)).await {
            // What stays goes with the next ingest.
            Ok(_) | Err(salus_lake::Error::Busy | salus_lake::Error::BeingRead) => {}
            Err(error) => {
                eprintln!(
                    "salus: older snapshots stay for now ({error}); `salus vacuum` removes them"
                );
            }
        }
        Ok(())
    }

    /// Verifier keys that were replaced.
    pub(crate) fn retired_keys(&self) -> PathBuf {
        self.root.join("keys/retired")
    }

    /// Who replaces or deletes keys goes alone.
    pub(crate) fn lock_keys(&self) -> Result<fs::File, Failure> {
        files::lock(&self.root.join("keys/lock"))
    }

    /// Every signing key whose private half is here, with its file.
    pub(crate) fn signers(&self) -> Result<Vec<(PathBuf, Signer)>, Failure> {
        let dir = self.root.join("keys");
        let mut signers = Vec::new();
        for file in fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))? {
            let path = file?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let is_key = name.is_some_and(|name| {
                name.starts_with("ledger") && path.extension().is_some_and(|end| end == "key")
            });
            if is_key && let Ok(signer) = key::load(&path) {
                signers.push((path, signer));
            }
        }
        Ok(signers)
    }

    /// Where the anchor is, as `home.yaml` says.
    pub(crate) fn anchor_place(&self) -> Result<PathBuf, Failure> {
        Ok(Settings::read(&self.root)?.anchor)
    }

    /// The anchor at a place that is relative to the home where it is relative.
    pub(crate) fn anchor_at(&self, place: &Path) -> Result<SharedAnchor, Failure> {
        anchors::open(&self.root, place)
    }

    fn surroundings(&self) -> Result<Surroundings, Failure> {
        let settings = Settings::read(&self.root)?;
        let anchor = self.anchor_at(&settings.anchor)?;
        let witnesses = match &settings.witness_policy {
            Some(file) => Some(witnesses(&self.root.join(file))?),
            None => None,
        };
        let home = self.clone();
        let keys = move |public: &[u8; 32]| {
            let signers = home.signers().ok()?.into_iter();
            let mut signers = signers.map(|(_, signer)| signer);
            signers.find(|signer| signer.verifier().public() == *public)
        };
        Ok(Surroundings {
            anchor: Some(anchor),
            witnesses,
            keys: Some(Arc::new(keys)),
            ..Surroundings::default()
        })
    }

    /// Makes the ledger of a new home.
    pub(crate) async fn create_ledger(
        &self,
        signer: Signer,
        genesis: Genesis,
    ) -> Result<Ledger, Failure> {
        // Witnesses cannot know it yet.
        let around = Surroundings {
            witnesses: None,
            ..self.surroundings()?
        };
        Ok(Ledger::create_in(self.ledger_place()?, signer, genesis, around).await?)
    }

    pub(crate) async fn ledger(&self) -> Result<Ledger, Failure> {
        self.ledger_in(self.surroundings()?).await
    }

    /// The stores of logs that ended, as far as they are there.
    pub(crate) async fn ended(&self) -> Result<Vec<Ended>, Failure> {
        let mut ended = Vec::new();
        for place in Settings::read(&self.root)?.ended(&self.root)? {
            ended.extend(Ended::at(place).await.map_err(|error| of_ended(&error))?);
        }
        Ok(ended)
    }

    /// The ledger, which is the one that this user knows, in these surroundings.
    pub(crate) async fn ledger_in(&self, around: Surroundings) -> Result<Ledger, Failure> {
        let place = self.ledger_place()?;
        let mut tries = 0;
        let ledger = loop {
            let signer = self.signer().await?;
            let public = signer.verifier().public();
            match Ledger::open_in(&place, signer, around.clone()).await {
                Ok(ledger) => break ledger,
                // The key was replaced while the ledger was being opened.
                Err(_)
                    if tries < 3 && key_in_force(&place).await.is_ok_and(|key| key != public) =>
                {
                    tries += 1;
                }
                Err(error) => return Err(error.into()),
            }
        };
        Memory::of(&ledger.genesis().origin)?.check(&ledger).await?;
        self.keep_vkey(&ledger.vkey())?;
        Ok(ledger)
    }

    /// Writes down the verifier key in force, where it is not, and keeps the one before it.
    fn keep_vkey(&self, vkey: &str) -> Result<(), Failure> {
        let known = self.vkey()?;
        if known == vkey {
            return Ok(());
        }
        // Another lock than that of rotations, which open the ledger while they hold theirs.
        let _alone = files::lock(&self.root.join("keys/vkey.lock"))?;
        let known = self.vkey()?;
        if known == vkey {
            return Ok(());
        }
        let retired = self.retired_keys();
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&retired)
            .with_context(|| format!("cannot create {}", retired.display()))?;
        let id = known.split('+').nth(1).unwrap_or("unknown");
        files::replace(
            &retired.join(format!("{id}.vkey")),
            format!("{known}\n").as_bytes(),
        )?;
        files::replace(&self.vkey_file(), format!("{vkey}\n").as_bytes())
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

    /// Catches the ledger up with catalog and snapshot, where the lake's answers are booked in it.
    pub(crate) async fn books(&self, lake: &Lake, ledger: &Ledger) -> Result<Books, Failure> {
        booking::check(self, lake, ledger).await?;
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
        self.policy_text(&recorded.sha256)
            .map_err(|failure| match failure {
                Failure::Other(why) => why
                    .context(format!(
                        "policy {} is in force; put it back, or apply a later one",
                        recorded.version
                    ))
                    .into(),
                other => other,
            })
    }

    /// The policy of this hash.
    pub(crate) fn policy_text(&self, sha256: &[u8]) -> Result<String, Failure> {
        let file = self.policy_file(sha256);
        let text =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        if Sha256::digest(text.as_bytes()).as_slice() != sha256 {
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
        files::replace(&file, text.as_bytes())?;
        Ok(ledger.record(fact).await?)
    }

    /// An engine for prices: it records nothing that follows something, and answers nothing.
    pub(crate) async fn prices(&self) -> Result<Engine, Failure> {
        self.prices_over(self.ledger().await?).await
    }

    pub(crate) async fn prices_over(&self, ledger: Ledger) -> Result<Engine, Failure> {
        let lake = self.lake()?;
        booking::check(self, &lake, &ledger).await?;
        let policy = self.policy(&ledger).await?;
        let books = Books::for_prices(&lake, &ledger, &policy).await?;
        Ok(Engine::open(lake, ledger, books)?)
    }

    pub(crate) async fn engine(&self) -> Result<(Engine, Ledger), Failure> {
        let ledger = self.ledger().await?;
        Ok((self.engine_over(ledger.clone()).await?, ledger))
    }

    /// An engine over catalog, policy and snapshot as they are now.
    pub(crate) async fn engine_over(&self, ledger: Ledger) -> Result<Engine, Failure> {
        let lake = self.lake()?;
        // A vacuum would take away what the books are about to name.
        let reading = {
            // It may wait for one, and not on a thread that others are served on.
            let lake = lake.clone();
            tokio::task::spawn_blocking(move || lake.reading()).await??
        };
        let books = self.books(&lake, &ledger).await?;
        Ok(Engine::open(lake, ledger, books)?.holding(reading))
    }

    /// Writes the secret from which pseudonyms are made.
    pub(crate) fn write_pseudonym_key(&self) -> Result<(), Failure> {
        let mut secret = [0_u8; 32];
        getrandom::fill(&mut secret).map_err(|e| anyhow!("no randomness: {e}"))?;
        files::create(&self.pseudonym_file(), &secret)
    }

    /// The pseudonym under which a user stands in the ledger: staff are not named in leaves.
    pub(crate) fn pseudonym(&self, user: &str) -> Result<String, Failure> {
        Ok(pseudonym(&self.pseudonym_secret()?, user))
    }

    /// Who makes pseudonyms of users.
    pub(crate) fn pseudonyms(&self) -> Result<impl Fn(&str) -> String, Failure> {
        let secret = self.pseudonym_secret()?;
        Ok(move |user: &str| pseudonym(&secret, user))
    }

    /// The pseudonym of who does what will stand in a log. Who it is is written down, unless that was erased.
    pub(crate) fn acting(&self, user: &str) -> Result<String, Failure> {
        let pseudonym = self.pseudonym(user)?;
        self.names().learn(&pseudonym, user)?;
        Ok(pseudonym)
    }

    /// Who pseudonyms are.
    pub(crate) fn names(&self) -> Names {
        Names::in_dir(self.root.join("names"))
    }

    /// A record of a source under a keyed hash: who has the secret finds a record that she knows or guesses, and nobody else finds any.
    pub(crate) fn blind(&self, source: &str, patient: &str) -> Result<String, Failure> {
        let secret = self.pseudonym_secret()?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&secret)
            .map_err(|_| anyhow!("the pseudonym key cannot be used"))?;
        // Neither a user's name nor another pair of texts makes the same bytes.
        let length = source.len() as u64;
        for part in [
            &b"record\0"[..],
            &length.to_be_bytes(),
            source.as_bytes(),
            patient.as_bytes(),
        ] {
            mac.update(part);
        }
        Ok(format!("record/{}", hex(&mac.finalize().into_bytes())))
    }

    fn pseudonym_secret(&self) -> Result<Vec<u8>, Failure> {
        let file = self.pseudonym_file();
        Ok(fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?)
    }
}

/// What a directory for one log is called: no two logs share it, and none leads elsewhere.
pub(crate) fn log_name(origin: &str) -> String {
    if key::is_plain_name(origin) {
        format!("log.{}", origin.replace('/', "~"))
    } else {
        // Longer than any plain name.
        format!("log.sha256~{}", hex(&Sha256::digest(origin)))
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
