//! The gRPC server, and who may ask it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

/// A server for questions over gRPC.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Serve {
    #[command(subcommand)]
    pub command: Option<ServeCommand>,
    #[command(flatten)]
    pub listen: Listen,
}

/// Where and how it listens.
#[derive(Debug, Args)]
pub(crate) struct Listen {
    /// Where it listens: an address of the loopback, unless there is TLS.
    #[arg(
        long = "listen",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:7431"
    )]
    pub address: SocketAddr,
    /// Certificate chain of the server, PEM, its own certificate first.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Private key of the server, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Certificates of authorities, PEM: callers need a certificate of theirs, beside their token.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub client_ca: Option<PathBuf>,
    /// Questions that are answered at a time.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub at_work: u32,
    /// Questions that may wait for their turn; further ones are refused.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(0..=65_536))]
    pub waiting: u32,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ServeCommand {
    /// Who may ask: tokens and the users that bear them.
    #[command(subcommand, after_help = "Example:\n  salus serve token add alice")]
    Token(Token),
    /// Print the .proto file, for clients in other languages.
    #[command(after_help = "Example:\n  salus serve proto > private.proto")]
    Proto,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Make a token for a user and print it, this once.
    #[command(
        after_help = "Example:\n  salus serve token add alice\n\nWhoever bears it asks as `salus query --user alice` does: her limits, her entries in the ledger. A user may have several tokens."
    )]
    Add {
        /// The user.
        user: String,
    },
    /// List tokens: their ids and users, not the tokens.
    #[command(after_help = "Example:\n  salus serve token list --format json")]
    List,
    /// Revoke a token; a server that is running refuses it from its next request on.
    #[command(after_help = "Example:\n  salus serve token revoke 3f9a1c22")]
    Revoke {
        /// Its id, as `token add` and `token list` print it.
        id: String,
    },
}
