//! Views come and go: changes of the catalog's text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::catalog::{Catalog, Table};
use crate::error::{At as _, Error, Result};
use crate::files;
use crate::lake::Lake;
use crate::views::{table_name, with_views};

/// Bytes that the definition of a view may have.
pub const LONGEST_DEFINITION: usize = 256 << 10;

impl Lake {
    /// Declares a table that a view fills, and keeps the definition. Its `facts` name the hash of `definition`. Takes the
    /// place of a view of the same name if `replace`: another definition begins without rows, the same keeps them.
    ///
    /// The lake that is returned has the table; others that are open do not. A catalog that holds it is another catalog, and
    /// is to be recorded as such.
    ///
    /// # Errors
    /// [`Error::Catalog`] with what is wrong with name or facts, or when there is such a view already. [`Error::Busy`] while a
    /// transaction exists. The catalog is as it was before.
    pub fn add_view(
        &self,
        name: &str,
        facts: Table,
        definition: &str,
        replace: bool,
    ) -> Result<Self> {
        table_name(name).map_err(Error::Catalog)?;
        let sha256 = definition_hash(definition);
        if facts.view.as_ref().is_none_or(|view| view.sha256 != sha256) {
            return Err(Error::Usage("the facts name another definition".into()));
        }
        if definition.len() > LONGEST_DEFINITION {
            let what = format!("a definition may have {LONGEST_DEFINITION} bytes at most");
            return Err(Error::Catalog(what));
        }
        self.edit(|views| {
            if views.contains_key(name) && !replace {
                let what = format!("there is a view {name} already; --replace takes its place");
                return Err(Error::Catalog(what));
            }
            views.insert(name.to_owned(), facts);
            files::private_dir(&self.places().views)?;
            let file = self.places().views.join(format!("{sha256}.json"));
            files::write_atomic(&file, definition.as_bytes())
        })
    }

    /// Takes a view out of the catalog; its definition stays, because the ledger may name it. The rows are in no snapshot
    /// from the next commit on.
    ///
    /// # Errors
    /// [`Error::Catalog`] when there is none of that name, [`Error::Busy`] while a transaction exists.
    pub fn drop_view(&self, name: &str) -> Result<Self> {
        self.edit(|views| match views.remove(name) {
            Some(_) => Ok(()),
            None => Err(Error::Catalog(format!("there is no view {name}"))),
        })
    }

    /// The definition of the view that fills `table`, as it was added.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when the file is gone, or is not the text whose hash the catalog names.
    pub fn view_definition(&self, table: &str) -> Result<String> {
        let none = || Error::Usage(format!("no view fills {table}"));
        let view = self.view(table).ok_or_else(none)?;
        let file = self.places().views.join(format!("{}.json", view.sha256));
        let text = std::fs::read_to_string(&file).at("read", &file)?;
        if definition_hash(&text) == view.sha256 {
            return Ok(text);
        }
        Err(Error::Corrupt(format!(
            "the definition of view {table} is not the one that the catalog names; put it back"
        )))
    }

    /// Whether the catalog on disk is the one that this lake has. A transaction that knew less tables would leave the others out of
    /// its snapshot, and a ledger that is told of it would go back to it.
    ///
    /// # Errors
    /// [`Error::Catalog`] when it was changed since.
    pub fn check_catalog(&self) -> Result<()> {
        let catalog = &self.places().catalog;
        let yaml = std::fs::read_to_string(catalog).at("read", catalog)?;
        if yaml == self.catalog_yaml() {
            return Ok(());
        }
        Err(Error::Catalog(
            "it was changed since the lake was opened; run the command again".into(),
        ))
    }

    fn edit(
        &self,
        change: impl FnOnce(&mut BTreeMap<String, Table>) -> Result<()>,
    ) -> Result<Self> {
        let places = self.places();
        let _lock = places.lock()?;
        // Another process may have changed it since this lake was opened.
        let yaml = std::fs::read_to_string(&places.catalog).at("read", &places.catalog)?;
        let catalog = Catalog::parse(&yaml)?;
        let views = catalog.views();
        let mut views = views
            .map(|(name, table, _)| (name.clone(), table.clone()))
            .collect();
        change(&mut views)?;
        let yaml = with_views(&yaml, &views).map_err(Error::Catalog)?;
        let catalog = Catalog::parse(&yaml)?;
        files::write_atomic(&places.catalog, yaml.as_bytes())?;
        Ok(self.with_catalog(catalog, yaml))
    }
}

/// SHA-256 of a definition's text, in hexadecimal: how the catalog names it.
pub fn definition_hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
