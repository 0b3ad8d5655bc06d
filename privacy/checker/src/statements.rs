//! The statement of an entry, which keys and officers sign: its fields without the signatures over them.

use crate::cbor::{self, Value};
use crate::quantity::Fields;
use crate::report::Malformed;
use crate::vkey;

/// Keeps what is signed here from being anything else that an Ed25519 key signs, such as a checkpoint.
const DOMAIN: &[u8] = b"salus/statement/v1\0";
/// The fields that are no part of what they sign.
/// `totals` are those of a seal, which the log fills in when it is entered.
const SIGNATURES: [&str; 3] = ["signature", "approvals", "totals"];

/// Kind and body of one entry, as they are signed.
pub(crate) struct Statement {
    kind: &'static str,
    /// Encoded, without the signatures.
    body: Vec<u8>,
}

impl Statement {
    pub(crate) fn of(kind: &'static str, body: &Value<'_>) -> Self {
        let mut encoded = Vec::new();
        match body {
            Value::Map(pairs) => {
                let kept = pairs.iter().filter(|(name, _)| !SIGNATURES.contains(name));
                cbor::write(&Value::Map(kept.cloned().collect()), &mut encoded);
            }
            other => cbor::write(other, &mut encoded),
        }
        let body = encoded;
        Statement { kind, body }
    }

    /// The bytes that are signed in the log `origin`.
    fn bytes(&self, origin: &str) -> Vec<u8> {
        let mut bytes = DOMAIN.to_vec();
        // In the order of the encoded names: shorter before longer, then by letters.
        cbor::head(cbor::MAP, 3, &mut bytes);
        cbor::write(&Value::Text("body"), &mut bytes);
        bytes.extend(&self.body);
        for text in ["kind", self.kind, "origin", origin] {
            cbor::write(&Value::Text(text), &mut bytes);
        }
        bytes
    }

    /// True if the key has signed this in the log `origin`.
    pub(crate) fn signed(&self, origin: &str, public: &[u8; 32], signature: &[u8; 64]) -> bool {
        vkey::signed(public, &self.bytes(origin), signature)
    }
}

/// An officer's word for an entry.
pub(crate) struct Approval {
    pub(crate) officer: [u8; 32],
    pub(crate) signature: [u8; 64],
}

/// What is approved, and by whom.
pub(crate) struct Approved {
    pub(crate) statement: Statement,
    pub(crate) approvals: Vec<Approval>,
}

impl Approved {
    /// Reads the approvals, of which there are `least` or more if there are any.
    pub(crate) fn of(
        statement: Statement,
        approvals: Option<Value<'_>>,
        least: usize,
    ) -> Result<Self, Malformed> {
        let approvals = match approvals {
            None => Vec::new(),
            Some(value) => {
                let items = value.array("approvals")?;
                if items.len() < least {
                    return Err(Malformed(format!("approvals: fewer than {least}")));
                }
                items.into_iter().map(approval).collect::<Result<_, _>>()?
            }
        };
        Ok(Approved {
            statement,
            approvals,
        })
    }
}

fn approval(value: Value<'_>) -> Result<Approval, Malformed> {
    let mut fields = Fields::of(value, "approval")?;
    let approval = Approval {
        officer: fields.take("officer")?.hash("officer")?,
        signature: fields.take("signature")?.fixed("signature")?,
    };
    fields.end()?;
    Ok(approval)
}

#[cfg(test)]
mod tests {
    use super::Statement;
    use crate::cbor::Value;

    /// The bytes by hand, from the format's page.
    #[test]
    fn a_statement_has_one_form() {
        let body = |more: &[&'static str]| {
            let mut pairs = vec![("to", Value::Uint(1))];
            pairs.extend(more.iter().map(|name| (*name, Value::Bytes(&[7]))));
            Value::Map(pairs)
        };
        let expected =
            b"salus/statement/v1\0\xa3\x64body\xa1\x62to\x01\x64kind\x66review\x66origin\x61o";
        for more in [&[][..], &["approvals"], &["signature"], &["totals"]] {
            let statement = Statement::of("review", &body(more));
            assert_eq!(statement.bytes("o"), expected);
        }
        assert_ne!(
            Statement::of("review", &body(&["note"])).bytes("o"),
            expected
        );
        assert_ne!(Statement::of("review", &body(&[])).bytes("p"), expected);
        assert_ne!(Statement::of("grant", &body(&[])).bytes("o"), expected);
    }
}
