//! The address of a ledger in PostgreSQL.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr as _;

use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::error::{Error, Result};

/// Schema of the ledger where the address names none.
const SCHEMA: &str = "salus";

/// What an address can say besides. Settings of the session are ours to make.
const PARAMETERS: [&str; 10] = [
    "host",
    "port",
    "user",
    "dbname",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "application_name",
    "schema",
];

/// A schema of a PostgreSQL server: where it is and how to get there.
///
/// `Debug` shows host, database and schema, never the user or the password.
#[derive(Clone)]
pub struct Server {
    options: Box<PgConnectOptions>,
    schema: String,
}

impl Server {
    /// Reads `postgres://USER@HOST:PORT/DATABASE?schema=SCHEMA&sslmode=verify-full&sslrootcert=FILE`. The schema is `salus` unless named;
    /// several ledgers can have one each in a database. A server elsewhere is only spoken to when its certificate is verified
    /// (`verify-full`, which need not be said, or `verify-ca`). The password is best kept in `~/.pgpass` or the file that `PGPASSFILE`
    /// names, and not in the address.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with what is wrong; it repeats nothing of the address but the name of a parameter or the schema.
    pub fn parse(url: &str) -> Result<Self> {
        let refused = |what: String| Error::Refused(format!("the address of the ledger: {what}"));
        let (place, parameters) = url.split_once('?').unwrap_or((url, ""));
        let mut schema = SCHEMA.to_owned();
        let mut kept = Vec::new();
        for parameter in parameters.split('&').filter(|one| !one.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match name {
                "schema" => value.clone_into(&mut schema),
                _ if PARAMETERS.contains(&name) => kept.push(parameter),
                _ => {
                    return Err(refused(format!(
                        "there is no parameter {:?}; there are {}",
                        name.escape_debug().take(32).collect::<String>(),
                        PARAMETERS.join(", ")
                    )));
                }
            }
        }
        if !is_schema(&schema) {
            return Err(refused(
                "a schema is named with small letters, digits and underscores, at most 63, and not pg_…".to_owned(),
            ));
        }
        let options =
            PgConnectOptions::from_str(&format!("{place}?{}", kept.join("&"))).map_err(|_| {
                refused("it is not of the form postgres://USER@HOST:PORT/DATABASE".to_owned())
            })?;
        if options.get_database().is_none_or(str::is_empty) {
            return Err(refused("it names no database".to_owned()));
        }
        let mode = match (
            is_socket(&options),
            is_local(&options),
            options.get_ssl_mode(),
        ) {
            // Whoever else could read it is the machine's own administrator.
            (true, ..) => PgSslMode::Disable,
            (_, true, mode) | (_, _, mode @ (PgSslMode::VerifyFull | PgSslMode::VerifyCa)) => mode,
            (_, _, PgSslMode::Prefer) => PgSslMode::VerifyFull,
            _ => {
                return Err(refused(
                    "a server elsewhere is spoken to over TLS with its certificate verified: sslmode=verify-full".to_owned(),
                ));
            }
        };
        Ok(Self {
            options: Box::new(options.ssl_mode(mode).disable_statement_logging()),
            schema,
        })
    }

    pub(super) fn options(&self) -> PgConnectOptions {
        PgConnectOptions::clone(&self.options)
    }

    pub(super) fn schema(&self) -> &str {
        &self.schema
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Server")
            .field("host", &self.options.get_host())
            .field("database", &self.options.get_database())
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

/// A name that needs no quotes, so that it means the same wherever it is written.
fn is_schema(name: &str) -> bool {
    let small = |c: char| c.is_ascii_lowercase() || c == '_';
    name.len() <= 63
        && name.starts_with(small)
        && name.chars().all(|c| small(c) || c.is_ascii_digit())
        && !name.starts_with("pg_")
        && name != "information_schema"
}

fn is_socket(options: &PgConnectOptions) -> bool {
    options.get_socket().is_some() || options.get_host().starts_with('/')
}

fn is_local(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> String {
        Server::parse(url).unwrap_err().to_string()
    }

    #[test]
    fn an_address_names_server_database_and_schema() {
        let server =
            Server::parse("postgres://salus@db.example/books?schema=riverside_2026").unwrap();
        assert_eq!(server.schema(), "riverside_2026");
        assert_eq!(server.options().get_database(), Some("books"));
        assert_eq!(
            Server::parse("postgresql://db.example/books")
                .unwrap()
                .schema(),
            "salus"
        );
    }

    #[test]
    fn a_server_elsewhere_is_verified() {
        let mode = |url| format!("{:?}", Server::parse(url).unwrap().options().get_ssl_mode());
        assert_eq!(mode("postgres://db.example/books"), "VerifyFull");
        assert_eq!(
            mode("postgres://db.example/books?sslmode=verify-ca"),
            "VerifyCa"
        );
        assert_eq!(
            mode("postgres://localhost/books?sslmode=disable"),
            "Disable"
        );
        assert_eq!(mode("postgres://[::1]/books?sslmode=disable"), "Disable");
        assert_eq!(mode("postgres:///books?host=/run/postgresql"), "Disable");
        for weaker in ["disable", "allow", "require"] {
            assert!(
                refused(&format!("postgres://db.example/books?sslmode={weaker}"))
                    .contains("verify-full")
            );
        }
    }

    #[test]
    fn what_an_address_cannot_say_is_refused() {
        assert!(refused("postgres://db.example").contains("database"));
        assert!(refused("postgres://db.example:port/books").contains("form"));
        for schema in [
            "",
            "Books",
            "a;b",
            "pg_catalog",
            "1st",
            "a%20b",
            "\u{e9}t\u{e9}",
            "a\"b",
            "information_schema",
        ] {
            assert!(
                refused(&format!("postgres://localhost/books?schema={schema}")).contains("schema"),
                "{schema}"
            );
        }
        // It would undo what the session promises.
        assert!(refused("postgres://localhost/books?options=-c%20fsync=off").contains("options"));
        assert!(refused("postgres://localhost/books?password=x").contains("password"));
    }

    #[test]
    fn no_secret_is_shown() {
        let server = Server::parse("postgres://salus:open-sesame@localhost/books").unwrap();
        let shown = format!("{server:?} {:?}", crate::Place::Postgres(server.clone()));
        assert!(
            !shown.contains("sesame") && !shown.contains("salus@"),
            "{shown}"
        );
        for wrong in [
            "postgres://u:open-sesame@h:x/b",
            "postgres://u:open-sesame@h",
            "postgres://u:open-sesame@h/b?schema=A",
        ] {
            assert!(!refused(wrong).contains("sesame"));
        }
    }
}
