"""The whole audit: from evidence to findings and figures."""

from collections import Counter
from typing import NamedTuple, Optional

from . import entries, receipt, restricted as beside
from .books import Books
from .findings import Finding, Malformed
from .history import History, align
from .merkle import roots
from .note import Checkpoint, Key
from .succession import compare
from .witnesses import Policy


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
    restricted: Optional[beside.Report]  # of the restricted log, if it was brought
    cosigned: Optional[list]  # of each witness of the policy, if one was brought: name, key's name, time or None

    @property
    def holds(self) -> bool:
        return not self.findings and not (self.restricted and self.restricted.findings)


def audit(
    evidence: Evidence,
    kept=(),
    receipts=(),
    vkey: Optional[str] = None,
    policy: Optional[Policy] = None,
    predecessors=(),
    restricted: Optional[beside.Restricted] = None,
) -> Report:
    """Verifies `evidence`, and against it the checkpoints, receipts, key and policy that the auditor brings along; and the
    logs that it goes on from, the nearest first; and the restricted log."""
    findings = []
    checkpoints = _checkpoints(evidence, kept, findings)
    places, hashes, misplaced = align(evidence.entries, evidence.leaves, checkpoints)
    findings += misplaced
    parsed = [_parse(index, data, findings) for index, data in enumerate(places)]
    trees = [roots(leaves) for leaves in hashes]
    books = Books(parsed, trees, next((index for index, data in enumerate(places) if data == b""), None))
    findings += books.findings
    origin = books.genesis["origin"] if books.genesis else None
    theirs = _key(evidence.vkey)
    name = theirs.name if origin is None and theirs else origin or ""
    keys = [Key(name, public) for _, public in books.signers.keys]
    # One that was kept from before the key changed is as good: each key has signed the next.
    if vkey is not None and _key(vkey) not in [*keys, theirs]:
        findings.append(Finding(None, "T2", "the verifier key given is no key of this log"))
    for text in receipts:
        _receipt(text, [*keys, theirs] if theirs else keys, evidence, checkpoints, findings)
    history = History(books.signers.keys, trees, origin, evidence.vkey.rstrip("\r\n"), checkpoints)
    findings += history.findings
    unwatched, cosigned = policy.judge(keys, history.good, history.head) if policy else ([], None)
    findings += unwatched
    if predecessors:
        findings += _carried(books, *predecessors)
    second = None
    if restricted:
        misfiled = []
        signed = _checkpoints(restricted.log, (), misfiled)
        second, missed = beside.judge(restricted, books.genesis, books.signers.keys, books.ticks, signed, misfiled)
        findings += missed
    kinds = Counter(entry[0] if entry else "unreadable" for entry in parsed)
    # By entry, so that what is wrong with one stands together; what names no entry comes last.
    findings.sort(key=lambda f: (f.index is None, f.index or 0, f.rule))
    return Report(findings, len(evidence.entries), dict(sorted(kinds.items())), history, books, second, cosigned)


def _carried(books, before, *earlier):
    """Rule E3."""
    succession = books.succession
    whole = audit(before, predecessors=earlier)
    count = (succession.before or {}).get("read", len(before.entries))
    first = Evidence(before.entries[:count], None, {}, "")
    read = None if count > len(before.entries) else whole if count == len(before.entries) else audit(first)
    if succession.opening:
        succession.opening["compared"] = True
    return [Finding(0, "E3", what) for what in compare(books.genesis, whole, before.entries, read)]


def _key(vkey):
    try:
        return Key.parse(vkey.rstrip("\r\n"))
    except Malformed:
        return None


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


def _receipt(text, keys, evidence, checkpoints, findings):
    """A receipt must verify and be of the entry as exported; its checkpoint joins the evidence."""
    try:
        shown = receipt.verify(text, keys)
    except receipt.Failure as failure:
        findings.append(failure.args[0])
        return
    exported = evidence.entries[shown.index : shown.index + 1]
    if exported != [shown.entry]:
        findings.append(Finding(shown.index, "receipt", "the log has another entry, or none, at this place"))
    else:
        checkpoints.append(shown.checkpoint)
