//! Key material: what a file says about its own key.
//!
//! The JSON that parquet-mr and Arrow C++ write and read (`KeyMaterial`, internal storage, single wrapping), so that
//! `pyarrow.parquet.encryption` opens the files with a `KmsClient` of four lines.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

const KIND: &str = "PKMT1";
/// What the fields about a service hold when there is none.
const NO_SERVICE: &str = "DEFAULT";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Material {
    key_material_type: String,
    internal_storage: bool,
    is_footer_key: bool,
    #[serde(rename = "kmsInstanceID")]
    service: String,
    #[serde(rename = "kmsInstanceURL")]
    service_url: String,
    #[serde(rename = "masterKeyID")]
    master_key: String,
    #[serde(rename = "wrappedDEK")]
    wrapped: String,
    double_wrapping: bool,
}

/// The metadata of a footer key that the master key `name` wrapped.
pub(super) fn render(name: &str, wrapped: &str) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Material {
        key_material_type: KIND.into(),
        internal_storage: true,
        is_footer_key: true,
        service: NO_SERVICE.into(),
        service_url: NO_SERVICE.into(),
        master_key: name.into(),
        wrapped: wrapped.into(),
        double_wrapping: false,
    })
}

/// The master key's name and the wrapped key.
pub(super) fn parse(metadata: &[u8]) -> Result<(String, String)> {
    let material: Material = serde_json::from_slice(metadata)
        .map_err(|_| Error::Key("a file says nothing usable about its key".into()))?;
    if material.key_material_type != KIND || material.double_wrapping {
        return Err(Error::Key(
            "a file's key is wrapped in a way that is not known".into(),
        ));
    }
    Ok((material.master_key, material.wrapped))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let metadata = render("lake-1", "d3JhcHBlZA==").expect("JSON");
        assert_eq!(
            parse(&metadata).expect("key material"),
            ("lake-1".into(), "d3JhcHBlZA==".into())
        );
        for other in [&b"lake-1"[..], b"{}", b"", b"[1]"] {
            assert!(parse(other).is_err());
        }
        let twice = String::from_utf8(metadata)
            .expect("text")
            .replace("Wrapping\":false", "Wrapping\":true");
        assert!(parse(twice.as_bytes()).is_err());
    }
}
