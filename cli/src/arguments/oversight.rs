//! Keys, officers, grants, anchors: what operators and officers say.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Keys of the log and of officers.
#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Make a key for an officer: the private half in FILE, for her alone; the public half is printed.
    #[command(after_help = "Example:\n  salus key new ada.key --name ada")]
    New {
        /// New file, readable by its owner only.
        file: PathBuf,
        /// Whose key it is: a pseudonym or an office, without spaces.
        #[arg(long, value_name = "NAME")]
        name: String,
    },
    /// The keys of the log, and since which entry.
    #[command(after_help = "Example:\n  salus key list")]
    List,
    /// Put a new signing key of the log into force; the present one endorses it.
    #[command(
        after_help = "Example:\n  salus key rotate\n\nReceipts that were given before still verify. The private half of the old key stays in keys/ until `salus key retire`."
    )]
    Rotate,
    /// Delete the private halves of signing keys that were replaced.
    #[command(after_help = "Example:\n  salus key retire")]
    Retire,
    /// Make a key that proves to FHIR servers who we are (SMART Backend Services), in FILE.
    #[command(
        after_help = "Example:\n  salus key client client.pem && salus key jwks client.pem\n\nTo change keys: make another, publish both with `salus key jwks new.pem old.pem`, give both to\n`salus ingest fhir … --client-key new.pem --client-key old.pem`, and drop the old one when the server knows the new."
    )]
    Client {
        /// New file, readable by its owner only.
        file: PathBuf,
        /// How it signs.
        #[arg(long, value_enum, default_value_t = ClientAlgorithm::Es384)]
        algorithm: ClientAlgorithm,
    },
    /// Print the public halves of such keys as a JSON Web Key Set, to publish or to register.
    #[command(after_help = "Example:\n  salus key jwks client.pem > jwks.json")]
    Jwks {
        /// Files of keys, the newest first.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

/// Algorithms of Backend Services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ClientAlgorithm {
    /// ECDSA on P-384.
    Es384,
    /// RSA with 3,072 bits.
    Rs384,
}

/// The officers who approve.
#[derive(Debug, Subcommand)]
pub(crate) enum Officer {
    /// Who approves.
    #[command(after_help = "Example:\n  salus officer list")]
    List,
    /// Name an officer. The first two are entered at once; from then on two officers approve.
    #[command(
        after_help = "Examples:\n  salus officer add ada+1f2e3d4c+AX…\n  salus officer add cleo+…  --out cleo.json   # the third: two officers approve it\n  salus proposal approve cleo.json --key ada.key"
    )]
    Add {
        /// Public key as `salus key new` printed it: NAME+ID+KEY.
        key: String,
        /// Where the proposal is written, when officers must approve it.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Who stands behind the pseudonyms of the logs.
    #[command(
        subcommand,
        after_help = "Examples:\n  salus officer names list\n  salus officer names erase alice"
    )]
    Names(Names),
    /// Propose that an officer no longer approves.
    #[command(after_help = "Example:\n  salus officer retire ben --out ben-leaves.json")]
    Retire {
        /// Name of the officer.
        name: String,
        /// Where the proposal is written.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// The names of the staff, which lie apart from the logs.
#[derive(Debug, Subcommand)]
pub(crate) enum Names {
    /// Every pseudonym that was used in this home, with its name unless that was erased.
    #[command(after_help = "Example:\n  salus officer names list --format json")]
    List,
    /// Erase a name, for good: the logs keep the pseudonym, and every proof holds.
    #[command(
        after_help = "Examples:\n  salus officer names erase alice\n  salus officer names erase p-1f2e3d4c5b6a\n\n\
                      Limits and filters by name go on working for who knows the name. Whoever has keys/pseudonym.key can try names; see docs/officers.md."
    )]
    Erase {
        /// The name, or the pseudonym.
        user: String,
    },
}

/// Larger caps.
#[derive(Debug, Subcommand)]
pub(crate) enum Grant {
    /// Propose a larger lifetime cap, up to the ceiling of the genesis; or, with --window, to open a limit of the policy further in one of its periods.
    #[command(
        after_help = "Examples:\n  salus grant propose --epsilon 12 --reason \"second registry year\" --out grant.json\n  \
        salus proposal approve grant.json --key ada.key\n  salus proposal approve grant.json --key ben.key\n  salus proposal enter grant.json\n  \
        salus grant propose --window space/7776000/230:population --epsilon 2 --reason \"autumn quarter\" --out window.json"
    )]
    Propose(Propose),
}

#[derive(Debug, Args)]
pub(crate) struct Propose {
    /// Instead of the lifetime cap that of this account of a limit, as `salus budget show` and refusals name it: in one period, and no higher than the lifetime cap. An analyst is named as she is called or by her pseudonym (p-…), which alone is written.
    #[arg(long, value_name = "ACCOUNT")]
    pub window: Option<String>,
    /// The new cap as epsilon, not what is added to it.
    #[arg(
        long,
        value_name = "E",
        required_unless_present = "rho",
        conflicts_with = "rho"
    )]
    pub epsilon: Option<String>,
    /// The new cap as rho.
    #[arg(long, value_name = "R")]
    pub rho: Option<String>,
    /// The new cap of what questions may take in delta; as it is when not given.
    #[arg(long, value_name = "D")]
    pub delta: Option<String>,
    /// Why. The ledger commits to it and does not hold it.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Days within which it can be entered, at most 90.
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=90))]
    pub days: u64,
    /// Where the proposal is written.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// What officers decide together.
#[derive(Debug, Subcommand)]
pub(crate) enum Proposal {
    /// Say what a proposal is, who has approved, and whether it can be entered.
    #[command(after_help = "Example:\n  salus proposal show grant.json")]
    Show {
        /// The proposal.
        file: PathBuf,
    },
    /// Approve a proposal with an officer's key. Needs no home: it can be done elsewhere, on a copy.
    #[command(
        after_help = "Example:\n  salus proposal approve grant.json --key ada.key --out grant.ada.json"
    )]
    Approve {
        /// The proposal.
        file: PathBuf,
        /// The officer's private key.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// Where the approved copy is written; into FILE itself when not given.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Do not ask on a terminal.
        #[arg(long)]
        yes: bool,
    },
    /// Enter a proposal with the approvals of all its copies.
    #[command(after_help = "Example:\n  salus proposal enter grant.ada.json grant.ben.json")]
    Enter {
        /// The proposal, or its copies with an approval each.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

/// Where checkpoints stand apart from the ledger.
#[derive(Debug, Subcommand)]
pub(crate) enum Anchor {
    /// Where it is and what it holds.
    #[command(after_help = "Example:\n  salus anchor show")]
    Show,
    /// Begin an anchor in an empty place: on another disk, and of another owner, it does most.
    #[command(
        after_help = "Examples:\n  salus anchor set /mnt/compliance/salus\n  salus anchor set s3://compliance/salus\n\nThe ledger is compared with the present anchor first. One that was lost is not replaced: two officers let another log go on, with a closed purse (`salus ledger recover`)."
    )]
    Set {
        /// A directory, or s3://BUCKET/PREFIX.
        dir: PathBuf,
    },
}

/// Somebody who remembers what a ledger was.
#[derive(Debug, Subcommand)]
pub(crate) enum Witness {
    /// Sign checkpoints over HTTP (C2SP tlog-witness) until interrupted. Run it elsewhere than the ledger, and by somebody else.
    #[command(
        after_help = "Example:\n  salus key new witness.key --name witness.example\n  salus witness serve --key witness.key --state witness --log riverside+…\n\nIt prints its own key, which goes into the tlog-policy file of the ledger:\n  witness riverside-it <key> http://witness.example:7777\n  quorum riverside-it"
    )]
    Serve {
        /// Its private key, made with `salus key new`.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// Directory of what it has signed.
        #[arg(long, value_name = "DIR")]
        state: PathBuf,
        /// Verifier key of a log that it signs for, or a file with it; may be repeated, also for the next key of the same log.
        #[arg(long, value_name = "KEY", required = true)]
        log: Vec<String>,
        /// Where it listens.
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7777")]
        listen: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Review {
    /// First and last entry: FROM..TO.
    #[arg(value_name = "FROM..TO")]
    pub range: String,
    /// What was found. The ledger commits to it and does not hold it.
    #[arg(long, value_name = "TEXT")]
    pub note: String,
    /// An officer's key, to sign it.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Who has looked, when it is not the user of this shell.
    #[arg(long, env = "SALUS_USER", value_name = "NAME")]
    pub user: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Incident {
    /// The RESERVE whose price was too low.
    pub reserve: u64,
    /// What the answer cost beyond its price, as zCDP.
    #[arg(long, value_name = "R")]
    pub rho: String,
    /// And in delta.
    #[arg(long, value_name = "D", default_value = "0")]
    pub delta: String,
    /// What happened. The ledger commits to it and does not hold it.
    #[arg(long, value_name = "TEXT")]
    pub note: String,
}
