//! How to check all this oneself, and what no log can prove.

use super::Source;
use super::page::Page;

pub(super) fn write(page: &mut Page, source: &Source<'_>) {
    page.section("verify", "How to check this yourself", true);
    page.paragraph("This document is a reading of the ledger. The ledger itself is evidence: an append-only log whose checkpoints are signed, in which every answer was paid for before a record was read. It can be checked without trusting the operator's programs.");
    page.code(
        "The operator exports it as plain files:",
        "salus ledger export evidence",
    );
    page.code(
        "A verifier that shares no code with the system recomputes every hash, signature, price and balance:",
        "salus-audit evidence",
    );
    page.paragraph("The format is described in docs/ledger-format.md, from which a second verifier can be written; one in Python was. Whoever holds a receipt of an answer, or an earlier checkpoint, can show that it is in the same log: nothing was rewritten since.");
    if let Some(vkey) = &source.cover.vkey {
        page.code("Verifier key of the log:", vkey);
    }
    let entries = source.books.entries();
    if let (Some(first), Some(last)) = (entries.first(), entries.last()) {
        page.paragraph(&format!(
            "This report was made from {} entries, {} to {}.",
            entries.len(),
            first.index,
            last.index
        ));
    }
    page.heading("What is attested only");
    page.list([
        "Times of entries: the operator's clock wrote them.".to_owned(),
        "That the engine executed the bounds which a certificate states, and drew the noise it states. The prices follow from the certificates; the certificates are the operator's word, backed by open source and tests.".to_owned(),
        "That records were linked to persons well, and that a catalog's bounds are true of the tables.".to_owned(),
        "Who stands behind a pseudonym, and that a purpose was the purpose.".to_owned(),
        "That there is no second ledger over the same records, unless witnesses sign its checkpoints.".to_owned(),
    ]);
}
