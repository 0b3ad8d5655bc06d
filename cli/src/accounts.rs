//! The accounts of limits, as people name them and as the ledger does.
//!
//! The log keeps what officers sign for ever, so that no member of the staff may be named in it, and a window for a name that never occurs
//! would be opened for nobody.

use salus_ledger::entry::Share;
use salus_query::limited;

use crate::failure::Failure;
use crate::home::Home;
use crate::proposal::plain;

/// The account that the ledger keeps for `scope`, in which an analyst may stand under her own name or her pseudonym.
///
/// # Errors
///
/// Why the name in it never occurs.
pub(crate) fn known(home: &Home, scope: &str) -> Result<String, Failure> {
    let Some((kept, name)) = scope.split_once(':') else {
        return Ok(scope.to_owned());
    };
    let share = kept.split('/').next().and_then(Share::from_name);
    let name = match share {
        // Which accounts there are of these the ledger says.
        None | Some(Share::Space) => return Ok(scope.to_owned()),
        Some(Share::Analyst) if is_pseudonym(name) => name.to_owned(),
        Some(Share::Analyst) if name.starts_with("p-") => {
            return Err(wrong(
                scope,
                "a pseudonym is p- and twelve hexadecimal digits",
            ));
        }
        Some(share) => {
            let lake = home.lake()?;
            let secret = home.pseudonyms()?;
            limited(share, name, lake.catalog(), &secret).map_err(|why| wrong(scope, &why))?
        }
    };
    Ok(format!("{kept}:{name}"))
}

/// Twelve hexadecimal digits: whatever else follows `p-` is nobody's.
fn is_pseudonym(name: &str) -> bool {
    let digits = name.strip_prefix("p-").unwrap_or_default().as_bytes();
    digits.len() == 12
        && digits
            .iter()
            .all(|digit| b"0123456789abcdef".contains(digit))
}

fn wrong(scope: &str, why: &str) -> Failure {
    Failure::usage(format!("the account {}: {why}", plain(scope)))
}
