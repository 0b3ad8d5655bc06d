//! Who asks: the bearer of a token.

use std::sync::Arc;

use tonic::metadata::MetadataMap;
use tonic::{Request, Status};

use crate::house::House;
use crate::status;

/// The pseudonym under which a caller stands in the ledger. Only a token brings one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller(pub(crate) String);

/// Lets requests through that bear a token which is known, before anything of their body is read.
///
/// # Errors
/// `UNAUTHENTICATED`, with one text whatever is wrong.
pub(crate) fn admit<H: House>(
    house: &Arc<H>,
    mut request: Request<()>,
) -> Result<Request<()>, Status> {
    // Nobody is whom an extension names that came from elsewhere.
    request.extensions_mut().remove::<Caller>();
    let known = match presented(request.metadata()) {
        Some(token) => house
            .bearer(token)
            .map_err(|fault| status::of_fault(house.as_ref(), &fault))?,
        None => None,
    };
    let Some(pseudonym) = known else {
        return Err(Status::unauthenticated(
            "send a token that is known: `authorization: Bearer TOKEN`; the operator makes one with `salus serve token add`",
        ));
    };
    request.extensions_mut().insert(Caller(pseudonym));
    Ok(request)
}

/// The token of the one `authorization` entry, RFC 6750.
fn presented(metadata: &MetadataMap) -> Option<&str> {
    let mut all = metadata.get_all("authorization").iter();
    let (one, none) = (all.next()?, all.next());
    let (scheme, token) = one.to_str().ok()?.split_once(' ')?;
    (none.is_none() && scheme.eq_ignore_ascii_case("bearer")).then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_token_is_presented_or_none() {
        let metadata = |values: &[&'static str]| {
            let mut map = MetadataMap::new();
            for value in values {
                map.append("authorization", value.parse().unwrap());
            }
            map
        };
        assert_eq!(presented(&metadata(&["Bearer abc"])), Some("abc"));
        assert_eq!(presented(&metadata(&["bearer  abc "])), Some("abc"));
        for wrong in [
            &[][..],
            &["abc"],
            &["Basic abc"],
            &["Bearer"],
            &["Bearer abc", "Bearer def"],
        ] {
            assert_eq!(presented(&metadata(wrong)), None, "{wrong:?}");
        }
    }
}
