//! What stands behind each field of each entry. `docs/proofs/checker-rules.md` prints this table, and the
//! mutation test holds each line to its word.

/// What a verifier can say about a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// V: a rule determines its value; every other value is found.
    Recomputed,
    /// V≤: a rule limits its value; values within the limit are attested.
    Limited,
    /// A: the value is what whoever wrote the entry says; its form alone is checked.
    Attested,
}

impl Standing {
    /// The letter of the table.
    pub fn letter(self) -> &'static str {
        match self {
            Standing::Recomputed => "V",
            Standing::Limited => "V≤",
            Standing::Attested => "A",
        }
    }
}

/// One field of one kind of entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Kind of the entry; `entry` for the fields around the body.
    pub kind: &'static str,
    /// Path in the body; `[]` stands for each item of an array.
    pub path: &'static str,
    /// V, V≤ or A.
    pub standing: Standing,
    /// Rules that name a changed value, beside T1, which names every changed byte.
    pub rules: &'static [&'static str],
    /// The limit, or what would show that the value is true.
    pub note: &'static str,
}

/// Every field of format version 1.
#[rustfmt::skip]
pub const FIELDS: &[Field] = &[
    v("entry", "v", &["F1"], "the version of the format"),
    v("entry", "kind", &["F1", "F2", "F3"], "decides which fields there are"),
    l("entry", "time", &["B3", "G1", "E1", "N1"], "the clock of the machine; the period of a limit; not after the `expires` of a grant or a seal; the tick of an anchor"),
    v("genesis", "origin", &["T2"], "first line of every checkpoint"),
    v("genesis", "space", &["F3", "B1"], "as datasets and accounts name it"),
    v("genesis", "adjacency", &["F2"], "`one-person`"),
    l("genesis", "ceiling.rho", &["F2", "G1"], "not below the cap, nor below what is granted"),
    l("genesis", "ceiling.delta", &["F2", "G1"], "not below the cap, nor below what is granted, below 1"),
    v("genesis", "cap.rho", &["F2", "B1", "G1"], "as every account up to the first grant states it"),
    v("genesis", "cap.delta", &["F2", "B1", "G1"], "as every account up to the first grant states it"),
    a("genesis", "conversion_delta", "a choice of presentation"),
    a("genesis", "build", "reproduce the build"),
    a("genesis", "rules", "read the source of that build"),
    v("genesis", "predecessor.origin", &["E2"], "of its checkpoint; against that log E3"),
    v("genesis", "predecessor.public", &["E2"], "verifies its checkpoint; against that log E3"),
    v("genesis", "predecessor.checkpoint", &["E2"], "signed by its key; against that log E3"),
    l("genesis", "predecessor.read", &["E2"], "not above what its checkpoint signs; against that log E3"),
    v("genesis", "predecessor.successor", &["E2"], "the key of entry 1"),
    v("genesis", "predecessor.spent.rho", &["B1"], "the running total of the first reserve; that it was so is attested, and by that log E3"),
    v("genesis", "predecessor.spent.delta", &["B1"], "the running total of the first reserve; that it was so is attested, and by that log E3"),
    v("genesis", "predecessor.limits[].scope", &["E2", "B3", "E1"], "the account that goes on; against that log E3"),
    v("genesis", "predecessor.limits[].spent.rho", &["B3", "E1"], "the running total of the limit; that it was so is attested, and by that log E3"),
    v("genesis", "predecessor.limits[].spent.delta", &["B3", "E1"], "the running total of the limit; that it was so is attested, and by that log E3"),
    l("genesis", "predecessor.officers[].public", &["E2", "A1"], "verifies what it approves; against that log E3"),
    l("genesis", "predecessor.officers[].name", &["E2"], "not that of another; against that log E3"),
    l("genesis", "restricted", &["N1"], "the ticks of all anchors"),
    v("genesis", "approvals[].officer", &["A1"], "an officer of the log before, in order"),
    v("genesis", "approvals[].signature", &["A1"], "by that officer over the statement"),
    v("key", "public", &["T2", "K1"], "verifies the checkpoints, and the key after it"),
    v("key", "signature", &["K1"], "by the key before it"),
    l("dataset", "dataset", &["F3", "B3"], "as snapshots and catalogs that are cited name it; of a part, as the accounts of what reads it do"),
    a("dataset", "unit", "read the catalog"),
    v("dataset", "space", &["F3"], "the genesis's"),
    l("dataset", "tables[]", &["F1", "B3"], "in order; the limits that count for questions about it"),
    v("catalog", "dataset", &["F3"], "the cited dataset's"),
    a("catalog", "version", "read the catalog"),
    a("catalog", "sha256", "hash the catalog, which is public"),
    a("policy", "version", "read the policy"),
    a("policy", "sha256", "hash the policy"),
    l("policy", "query_rho", &["P5"], "not below the loss of any reserve under it"),
    l("policy", "limits[].of", &["B3"], "the share that the accounts of what is charged name"),
    l("policy", "limits[].name", &["B3"], "present where one share has a cap of its own"),
    l("policy", "limits[].seconds", &["B3"], "the periods that the accounts name"),
    l("policy", "limits[].cap.rho", &["B3"], "as the accounts of what is charged state it"),
    l("policy", "limits[].cap.delta", &["B3"], "as the accounts of what is charged state it"),
    v("snapshot", "dataset", &["F3"], "the cited dataset's"),
    a("snapshot", "snapshot", "open the commitment"),
    a("snapshot", "commitment", "open it with its salt"),
    l("reserve", "principal", &["B3"], "the authentication of the system; the limits that count for her"),
    a("reserve", "roles[]", "the authentication of the system"),
    l("reserve", "purpose", &["B3"], "ask the principal; the limits that count for it"),
    a("reserve", "question", "open it with its salt and the SQL text"),
    a("reserve", "plan", "open it with its salt and the operator tree"),
    v("reserve", "certificate.dataset", &["F3"], "an earlier dataset, that of snapshot and catalog"),
    l("reserve", "certificate.snapshot", &["F3"], "an earlier snapshot of the dataset"),
    v("reserve", "certificate.catalog", &["F3"], "the dataset's newest"),
    v("reserve", "certificate.policy", &["F3"], "the newest"),
    a("reserve", "certificate.unit", "read the catalog"),
    l("reserve", "certificate.steps[].rule", &["P1", "P2"], "a known rule in a place where it may stand"),
    a("reserve", "certificate.steps[].op", "open `plan`"),
    l("reserve", "certificate.steps[].inputs[]", &["P1", "P2"], "an earlier step"),
    l("reserve", "certificate.steps[].table", &["P1", "B3"], "present in scans alone; the parts of datasets that count; open `plan`"),
    l("reserve", "certificate.steps[].rows", &["P1", "P2"], "k in a release; not above the input's in S1, S4, S5, S8, the inputs' sum in S6"),
    v("reserve", "certificate.releases[].step", &["P1"], "the release among the steps"),
    v("reserve", "certificate.releases[].rows_per_person", &["P1", "P3"], "the release's rows; sensitivity"),
    v("reserve", "certificate.releases[].groups_per_person", &["P3"], "sensitivity"),
    l("reserve", "certificate.releases[].cells", &["P3"], "0 exactly where a threshold decides (P3); open `keys`"),
    a("reserve", "certificate.keys", "open it with its salt and the keys"),
    v("reserve", "certificate.releases[].weighted.unit", &["F1", "P3"], "sensitivity"),
    l("reserve", "certificate.releases[].weighted.groups", &["F1", "P4"], "not more than the delta of a threshold was paid for"),
    v("reserve", "certificate.mechanisms[].kind", &["F1", "P3"], "sensitivity in its norm; where that is the same in both, either is attested"),
    v("reserve", "certificate.mechanisms[].release", &["P3"], "a release; those of the same bounds are priced alike"),
    l("reserve", "certificate.mechanisms[].aggregate", &["P3"], "the sums are priced alike, and at bound 1 as `rows` and `values`"),
    v("reserve", "certificate.mechanisms[].bound", &["P3"], "sensitivity, or 1 for counts; its truth by the catalog"),
    l("reserve", "certificate.mechanisms[].values", &["P3"], "1, but for a tree, where it is attested"),
    v("reserve", "certificate.mechanisms[].sensitivity2", &["P3", "P4"], "from k, L0 and bound"),
    v("reserve", "certificate.mechanisms[].sigma", &["P4"], "from rho, within its rounding to 2^-40"),
    v("reserve", "certificate.mechanisms[].rho", &["P4", "P5"], "from sensitivity and sigma"),
    v("reserve", "certificate.mechanisms[].delta", &["P4", "P5"], "zero, or not below that of the threshold"),
    l("reserve", "certificate.mechanisms[].threshold.minimum", &["P3", "P4"], "with tau and sigma not cheaper than delta says"),
    l("reserve", "certificate.mechanisms[].threshold.tau", &["P3", "P4"], "with the minimum and sigma not cheaper than delta says"),
    v("reserve", "loss.rho", &["P5", "B1"], "sum of the mechanisms"),
    v("reserve", "loss.delta", &["P5", "B1"], "sum of the mechanisms"),
    v("reserve", "accounts[].scope", &["B1", "B3"], "the genesis's space; the policy's limits, whom and when they count"),
    v("reserve", "accounts[].cap.rho", &["B1", "B3"], "the cap in force, the limit's"),
    v("reserve", "accounts[].cap.delta", &["B1", "B3"], "the cap in force, the limit's"),
    v("reserve", "accounts[].before.rho", &["B1", "B3"], "the running total"),
    v("reserve", "accounts[].before.delta", &["B1", "B3"], "the running total"),
    v("reserve", "accounts[].after.rho", &["B1", "B3"], "before and the loss, within the cap"),
    v("reserve", "accounts[].after.delta", &["B1", "B3"], "before and the loss, within the cap"),
    l("release", "reserve", &["F3", "B2"], "an earlier reserve that nothing else ends"),
    a("release", "answer", "a receipt opens it (V by `verify_receipt`)"),
    l("abort", "reserve", &["F3", "B2"], "an earlier reserve that nothing else ends"),
    a("abort", "reason", "one of two words"),
    l("reuse", "principal", &["B3"], "the authentication of the system; the limits that count for her"),
    a("reuse", "roles[]", "the authentication of the system"),
    a("reuse", "purpose", "ask the principal"),
    a("reuse", "question", "open it with its salt and the SQL text"),
    l("reuse", "release", &["F3", "B3"], "an earlier release; that the question is the same is attested: open both plans"),
    v("reuse", "accounts[].scope", &["B3"], "the limits of who asks"),
    v("reuse", "accounts[].cap.rho", &["B3"], "the limit's"),
    v("reuse", "accounts[].cap.delta", &["B3"], "the limit's"),
    v("reuse", "accounts[].before.rho", &["B3"], "the running total"),
    v("reuse", "accounts[].before.delta", &["B3"], "the running total"),
    v("reuse", "accounts[].after.rho", &["B3"], "before and the loss that was paid for the answer, within the limit"),
    v("reuse", "accounts[].after.delta", &["B3"], "before and the loss that was paid for the answer, within the limit"),
    a("refuse", "principal", "the authentication of the system"),
    a("refuse", "purpose", "ask the principal"),
    a("refuse", "rule", "analyse the question again"),
    a("refuse", "question", "open it with its salt and the SQL text"),
    l("officer", "public", &["A1", "O1"], "verifies what it approves; that another holds it than the operator is attested"),
    l("officer", "name", &["O1"], "not that of another who is active; whose it is: ask the officer"),
    v("officer", "active", &["O1"], "true for who comes, false for who goes"),
    v("officer", "approvals[].officer", &["A1"], "an active officer, in order"),
    v("officer", "approvals[].signature", &["A1"], "by that officer over the statement"),
    l("grant", "scope", &["G1", "B1", "B3"], "the genesis's space, or the account of a limit in force, as what is charged to it states"),
    v("grant", "old.rho", &["G1"], "the cap in force"),
    v("grant", "old.delta", &["G1"], "the cap in force"),
    l("grant", "new.rho", &["G1", "B1", "B3"], "as every account up to the next grant of its scope states it, within the ceiling or the purse"),
    l("grant", "new.delta", &["G1", "B1", "B3"], "as every account up to the next grant of its scope states it, within the ceiling or the purse"),
    l("grant", "nonce", &["G1"], "not that of another grant"),
    l("grant", "expires", &["G1"], "not before the entry's time"),
    a("grant", "reason", "open it with its salt; its officers have signed it"),
    v("grant", "approvals[].officer", &["A1"], "an active officer, in order"),
    v("grant", "approvals[].signature", &["A1"], "by that officer over the statement"),
    a("review", "principal", "the authentication of the system, or the officers who signed it"),
    l("review", "from", &["F3", "R1"], "not after `to`"),
    v("review", "to", &["F3", "R1"], "the last entry that the root covers"),
    v("review", "root", &["R1"], "over the entries up to `to`"),
    a("review", "note", "open it with its salt"),
    v("review", "approvals[].officer", &["A1"], "an active officer, in order"),
    v("review", "approvals[].signature", &["A1"], "by that officer over the statement"),
    l("incident", "reserve", &["F3"], "an earlier reserve; that it is this one is attested"),
    v("incident", "loss.rho", &["B1"], "after less before; that it is enough is attested"),
    v("incident", "loss.delta", &["B1"], "after less before; that it is enough is attested"),
    a("incident", "note", "open it with its salt"),
    v("incident", "accounts[].scope", &["B1"], "the genesis's space"),
    v("incident", "accounts[].cap.rho", &["B1"], "the cap in force"),
    v("incident", "accounts[].cap.delta", &["B1"], "the cap in force"),
    v("incident", "accounts[].before.rho", &["B1"], "the running total"),
    v("incident", "accounts[].before.delta", &["B1"], "the running total"),
    v("incident", "accounts[].after.rho", &["B1"], "before and the loss"),
    v("incident", "accounts[].after.delta", &["B1"], "before and the loss"),
    v("incident", "approvals[].officer", &["A1"], "an active officer, in order"),
    v("incident", "approvals[].signature", &["A1"], "by that officer over the statement"),
    v("anchor", "tick", &["N1"], "the entry's time in the genesis's grid"),
    a("anchor", "checkpoint", "bring the restricted log (N2)"),
    l("seal", "successor.origin", &["E1"], "not this log's; in the log that goes on E3"),
    l("seal", "successor.public", &["E1"], "nobody's here; in the log that goes on E3"),
    l("seal", "expires", &["E1"], "not before the entry's time"),
    a("seal", "reason", "open it with its salt; its officers have signed it"),
    v("seal", "totals.cap.rho", &["E1"], "the cap in force"),
    v("seal", "totals.cap.delta", &["E1"], "the cap in force"),
    v("seal", "totals.spent.rho", &["E1"], "the running total"),
    v("seal", "totals.spent.delta", &["E1"], "the running total"),
    v("seal", "totals.limits[].scope", &["E1"], "the accounts that still count"),
    v("seal", "totals.limits[].spent.rho", &["E1"], "the running total of the limit"),
    v("seal", "totals.limits[].spent.delta", &["E1"], "the running total of the limit"),
    v("seal", "approvals[].officer", &["A1"], "an active officer, in order"),
    v("seal", "approvals[].signature", &["A1"], "by that officer over the statement"),
];

/// X: what no verifier of any log can conclude.
pub const OUTSIDE: &[&str] = &[
    "that there is no other way to the data, and no other log for the same people",
    "that the catalog's bounds and units are true, and that records were linked to the right persons",
    "that the executed query was the certified one, with its bounds on rows, groups and values",
    "that noise was drawn once, from the certified distribution, and nothing else was shown",
    "that this is the newest state: compare with a checkpoint, or a receipt, that was kept elsewhere",
];

const fn v(
    kind: &'static str,
    path: &'static str,
    rules: &'static [&'static str],
    note: &'static str,
) -> Field {
    let standing = Standing::Recomputed;
    Field {
        kind,
        path,
        standing,
        rules,
        note,
    }
}

const fn l(
    kind: &'static str,
    path: &'static str,
    rules: &'static [&'static str],
    note: &'static str,
) -> Field {
    let standing = Standing::Limited;
    Field {
        kind,
        path,
        standing,
        rules,
        note,
    }
}

const fn a(kind: &'static str, path: &'static str, note: &'static str) -> Field {
    let (standing, rules) = (Standing::Attested, &[] as &[&str]);
    Field {
        kind,
        path,
        standing,
        rules,
        note,
    }
}
