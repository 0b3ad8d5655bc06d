"""The whole audit: from evidence to findings and figures."""

from collections import Counter
from typing import NamedTuple, Optional

from . import entries, receipt
from .books import Books
from .findings import Finding, Malformed
from .history import History, align
from .note import Checkpoint


class Evidence(NamedTuple):
    """What an export holds."""

    entries: list  # bytes of each entry, empty where the file is missing
    leaves: Optional[list]  # leaf hashes as the store holds them
    checkpoints: dict  # signed notes by the size in the file's name
    vkey: str


class Report(NamedTuple):
    findings: list
    entries: int
    kinds: dict
    history: History
    books: Books

    @property
    def holds(self) -> bool:
        return not self.findings


def audit(evidence: Evidence, kept=(), receipts=(), vkey: Optional[str] = None) -> Report:
    """Verifies `evidence`, and against it the checkpoints, receipts and verifier key that the auditor brings along."""
    findings = []
    theirs = evidence.vkey.rstrip("\r\n")
    trusted = theirs if vkey is None else vkey.rstrip("\r\n")
    if trusted != theirs:
        findings.append(Finding(None, "T2", "the export's verifier key is not the one given"))
    checkpoints = _checkpoints(evidence, kept, findings)
    for text in receipts:
        _receipt(text, trusted, evidence, checkpoints, findings)
    places, hashes, misplaced = align(evidence.entries, evidence.leaves, checkpoints)
    findings += misplaced
    parsed = [_parse(index, data, findings) for index, data in enumerate(places)]
    books = Books(parsed)
    findings += books.findings
    origin = books.genesis["origin"] if books.genesis else None
    history = History(parsed, hashes, origin, trusted, checkpoints)
    findings += history.findings
    kinds = Counter(entry[0] if entry else "unreadable" for entry in parsed)
    # By entry, so that what is wrong with one stands together; what names no entry comes last.
    findings.sort(key=lambda f: (f.index is None, f.index or 0, f.rule))
    return Report(findings, len(evidence.entries), dict(sorted(kinds.items())), history, books)


def _parse(index, data, findings):
    try:
        return entries.parse(data or b"")
    except Malformed as error:
        findings.append(Finding(index, "F1", str(error)))
        return None


def _checkpoints(evidence, kept, findings):
    named = list(evidence.checkpoints.items()) + [(None, data) for data in kept]
    result = []
    for size, data in named:
        try:
            checkpoint = Checkpoint.parse(data)
        except Malformed as error:
            findings.append(Finding(None, "T2", f"checkpoint {'kept' if size is None else size}: {error}"))
            continue
        if size not in (None, checkpoint.size):
            last = checkpoint.size - 1 if checkpoint.size else None
            findings.append(Finding(last, "T2", f"a checkpoint of size {checkpoint.size} in a file named {size:09}"))
        result.append(checkpoint)
    return result


def _receipt(text, vkey, evidence, checkpoints, findings):
    """A receipt must verify and be of the entry as exported; its checkpoint joins the evidence."""
    try:
        shown = receipt.verify(text, vkey)
    except receipt.Failure as failure:
        findings.append(failure.args[0])
        return
    exported = evidence.entries[shown.index : shown.index + 1]
    if exported != [shown.entry]:
        findings.append(Finding(shown.index, "receipt", "the log has another entry, or none, at this place"))
    else:
        checkpoints.append(shown.checkpoint)
