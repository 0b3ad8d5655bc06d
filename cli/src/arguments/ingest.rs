//! Arguments of `salus ingest`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Ingest {
    /// A FHIR R4 bulk export: a directory of NDJSON, or a server that is asked for it.
    #[command(after_help = "Examples:\n  \
            salus ingest fhir export\n  \
            salus ingest fhir export --source hospital --code-map lab-codes.csv\n  \
            salus ingest fhir https://ehr.example/fhir --group diabetes --client-id salus --client-key client.pem\n  \
            salus ingest fhir 'https://ehr.example/fhir/Patient/$export?_type=Patient,Condition' --token-file token\n\n\
            The same export twice changes nothing. Lines that cannot be used are kept whole in quarantine; see `salus quarantine`.\n\
            From a server, the next run of the same command asks for what changed since, deletions included; a run that was\n\
            interrupted is taken up where it was.")]
    Fhir(Box<Fhir>),
}

#[derive(Debug, Args)]
pub(crate) struct Fhir {
    /// Directory of an export (NDJSON, plain, gzip or zstd), or the address of a FHIR server or of one of its $export operations.
    pub from: String,
    /// Name of the system that the export comes from: ids are unique within one system.
    #[arg(long, default_value = "default", value_name = "NAME")]
    pub source: String,
    /// Map of local codes to standard ones: CSV (source_system,source_code,target_system,target_code,equivalence) or a FHIR
    /// ConceptMap (.json); may be repeated. The code as it was given is kept beside.
    #[arg(long, value_name = "FILE")]
    pub code_map: Vec<PathBuf>,
    #[command(flatten)]
    pub asked: Asked,
    #[command(flatten)]
    pub server: Server,
}

/// What is asked of a server.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own on the command line"
)]
#[command(next_help_heading = "What a server is asked for")]
pub(crate) struct Asked {
    /// The patients of this Group; all patients of the server when not given.
    #[arg(long, value_name = "ID", conflicts_with = "system")]
    pub group: Option<String>,
    /// Everything on the server, not only what is about patients.
    #[arg(long)]
    pub system: bool,
    /// Resource types, as in Patient,Condition.
    #[arg(long = "type", value_name = "TYPES", value_delimiter = ',')]
    pub types: Vec<String>,
    /// A search that narrows a type, as in 'Observation?category=laboratory'; may be repeated.
    #[arg(long, value_name = "QUERY")]
    pub type_filter: Vec<String>,
    /// Any other parameter of $export, as in _elements=id; may be repeated.
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// Only what changed since this instant; since the last run when not given.
    #[arg(long, value_name = "INSTANT", conflicts_with = "full")]
    pub since: Option<String>,
    /// Everything, whatever was asked for before.
    #[arg(long)]
    pub full: bool,
    /// Throw an interrupted export away instead of going on with it.
    #[arg(long)]
    pub restart: bool,
    /// Keep the downloaded files, which are not encrypted, in exports/ of the home.
    #[arg(long)]
    pub keep: bool,
}

/// How a server is reached.
#[derive(Debug, Args)]
#[command(next_help_heading = "How a server is reached")]
pub(crate) struct Server {
    /// Our id at the server (SMART Backend Services).
    #[arg(
        long,
        value_name = "ID",
        env = "SALUS_CLIENT_ID",
        requires = "client_key"
    )]
    pub client_id: Option<String>,
    /// Our signing key, PEM (PKCS#8) or JWK; may be repeated while keys change, the newest first. `salus key client` makes one.
    #[arg(
        long,
        value_name = "FILE",
        env = "SALUS_CLIENT_KEY",
        requires = "client_id"
    )]
    pub client_key: Vec<PathBuf>,
    /// Scopes to ask for; what the server supports when not given.
    #[arg(long, value_name = "SCOPES")]
    pub scope: Option<String>,
    /// Token endpoint; discovered when not given.
    #[arg(long, value_name = "URL")]
    pub token_url: Option<String>,
    /// File with an access token that somebody else obtained.
    #[arg(long, value_name = "FILE", conflicts_with = "client_id")]
    pub token_file: Option<PathBuf>,
    /// Another origin (scheme, host and port) that may see the access token; may be repeated.
    #[arg(long, value_name = "URL")]
    pub trust_origin: Vec<String>,
    /// PEM certificate of an authority to trust besides those of the system; may be repeated.
    #[arg(long, value_name = "FILE")]
    pub ca: Vec<PathBuf>,
    /// PEM with a certificate and its key that identify us (mutual TLS).
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
    /// Proxy for everything; HTTPS_PROXY and its like when not given.
    #[arg(long, value_name = "URL")]
    pub proxy: Option<String>,
    /// Allow http to other hosts than this one.
    #[arg(long)]
    pub allow_http: bool,
    /// Files downloaded at once.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub parallel: u16,
    /// Minutes after which to stop; the next run goes on.
    #[arg(long, value_name = "MINUTES")]
    pub deadline: Option<u64>,
}
