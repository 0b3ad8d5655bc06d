//! Where a ledger is kept.

use std::path::{Path, PathBuf};

#[cfg(feature = "postgres")]
use super::Server;
use crate::error::{Error, Result};

/// Where a ledger is kept: a directory with an SQLite file, or a schema of a PostgreSQL server.
///
/// `Debug` shows no user and no password.
#[derive(Debug, Clone)]
pub enum Place {
    /// A directory of one machine; the ledger is `ledger.db` in it.
    Directory(PathBuf),
    /// A schema of a server that several nodes share.
    #[cfg(feature = "postgres")]
    Postgres(Server),
}

impl Place {
    /// Reads `postgres://…` as a server, see [`Server::parse`], and anything else as a directory.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if it is the address of a database that cannot be used.
    pub fn parse(text: &str) -> Result<Self> {
        match text.split_once("://") {
            #[cfg(feature = "postgres")]
            Some(("postgres" | "postgresql", _)) => Server::parse(text).map(Self::Postgres),
            Some(_) => Err(Error::Refused(
                "a ledger is kept in a directory or in PostgreSQL (postgres://…), where this program was built with it"
                    .to_owned(),
            )),
            None => Ok(Self::from(Path::new(text))),
        }
    }
}

impl From<PathBuf> for Place {
    fn from(dir: PathBuf) -> Self {
        Self::Directory(dir)
    }
}

impl From<&PathBuf> for Place {
    fn from(dir: &PathBuf) -> Self {
        Self::Directory(dir.clone())
    }
}

impl From<&Path> for Place {
    fn from(dir: &Path) -> Self {
        Self::Directory(dir.to_owned())
    }
}

impl From<&Self> for Place {
    fn from(place: &Self) -> Self {
        place.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_directory_or_a_database() {
        assert!(
            matches!(Place::parse("/var/lib/salus"), Ok(Place::Directory(dir)) if dir == Path::new("/var/lib/salus"))
        );
        assert!(matches!(Place::parse("ledger"), Ok(Place::Directory(_))));
        assert!(matches!(
            Place::parse("mysql://localhost/books"),
            Err(Error::Refused(_))
        ));
        #[cfg(feature = "postgres")]
        assert!(matches!(
            Place::parse("postgresql://localhost/books"),
            Ok(Place::Postgres(_))
        ));
        #[cfg(not(feature = "postgres"))]
        assert!(matches!(
            Place::parse("postgresql://localhost/books"),
            Err(Error::Refused(_))
        ));
    }
}
