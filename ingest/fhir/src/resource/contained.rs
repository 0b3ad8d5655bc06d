//! Resources inside a resource (`contained`), read again only where a reference points to one.

use std::borrow::Cow;

use crate::coding::{Coded, MEDICATION};
use crate::json::Cursor;
use crate::reference::Identifier;

/// The identifier of the contained patient `name`: it has no other existence outside its line.
pub(super) fn patient<'a>(contained: &'a str, name: &str) -> Option<Identifier<'a>> {
    let mut found = None;
    // The text has been checked when the line was read.
    let _ = Cursor::new(contained).each(|c| {
        let (mut id, mut identifier) = (None, None);
        c.object(|c, key| {
            match key {
                "id" => id = c.text()?,
                "identifier" => c.each(|c| {
                    let next = Identifier::read(c)?;
                    identifier = identifier.take().or(next);
                    Ok(())
                })?,
                _ => c.skip()?,
            }
            Ok(())
        })?;
        if is_named(id.as_ref(), name) {
            found = identifier;
        }
        Ok(())
    });
    found
}

/// The code of the contained medication `name`.
pub(super) fn medication<'a>(contained: &'a str, name: &str) -> Option<Coded<'a>> {
    let mut found = None;
    let _ = Cursor::new(contained).each(|c| {
        let (mut id, mut code) = (None, Coded::default());
        c.object(|c, key| {
            match key {
                "id" => id = c.text()?,
                "code" => code.read(c, MEDICATION)?,
                _ => c.skip()?,
            }
            Ok(())
        })?;
        if is_named(id.as_ref(), name) {
            found = Some(code);
        }
        Ok(())
    });
    found
}

/// DSTU2 wrote the hash into the id as well.
fn is_named(id: Option<&Cow<'_, str>>, name: &str) -> bool {
    id.is_some_and(|id| id.strip_prefix('#').unwrap_or(id) == name)
}
