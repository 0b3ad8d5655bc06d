//! What can be wrong with a certificate or its bytes.

/// Why bytes or a certificate were not accepted. All text is public: it names positions, fields and rules, never content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The bytes are not one canonical item (rule F1).
    #[error("F1: {what}, at byte {at}")]
    Encoding {
        /// Offset at which reading stopped.
        at: usize,
        /// What was wrong there.
        what: &'static str,
    },
    /// The item is canonical but has not the fields or types of its kind (rule F1).
    #[error("F1: `{field}` {what}")]
    Shape {
        /// Name of the field.
        field: &'static str,
        /// What was wrong with it.
        what: &'static str,
    },
    /// The certificate breaks a pricing rule (P1 to P5) and must not be booked.
    #[error("{rule}: {what}")]
    Rule {
        /// Name of the rule in the ledger's format.
        rule: &'static str,
        /// What the rule found.
        what: String,
    },
}
