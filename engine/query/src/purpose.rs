//! What a question may be asked for.

/// HL7 v3 `PurposeOfUse` codes that a question may be asked for. Treatment is not among them: it needs the person, not a number.
pub const PURPOSES: [&str; 8] = [
    "PUBHLTH",
    "HRESCH",
    "HOPERAT",
    "HQUALIMP",
    "HOUTCOMS",
    "POPHLTH",
    "HSYSADMIN",
    "HPRGRP",
];
