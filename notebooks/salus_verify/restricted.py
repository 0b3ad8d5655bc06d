"""Rules N2 and N3: the restricted log, where the auditor is given it, is whole, has the first log's keys, and holds all that the
first has anchored."""

from collections import Counter
from hashlib import sha256
from typing import NamedTuple, Optional

from . import cbor
from .entries import LONGEST, blob, hash32, one_of, record, text, uint
from .findings import Finding, Malformed
from .history import History, align
from .merkle import roots
from .note import Checkpoint, Key
from .receipt import COMMITMENT
from .signers import Signers


def word(item):
    """No text stands in the restricted log: what names somebody or something is one word."""
    if not 1 <= len(text(item)) <= 64 or not all("!" <= c <= "~" for c in item):
        raise Malformed("not 1 to 64 visible ASCII characters")
    return item


_seen = dict(principal=word, role=word, purpose=word, persons=hash32, columns=hash32)
_change = dict(principal=word, persons=hash32, detail=hash32)
BODIES = {
    "opening": record(origin=text, log=text),
    "key": record(("signature",), public=blob(32), signature=blob(64)),
    "access": record(**_seen),
    "breakglass": record(justification=hash32, **_seen),
    "followup": record(breakglass=uint, principal=word, outcome=one_of("open", "justified", "unjustified"), note=hash32),
    "expunge": record(**_change),
    "consent": record(act=one_of("deny", "permit"), **_change),
    "linkage": record(act=one_of("merge", "split"), **_change),
    "alert": record(**_change),
}
_ENVELOPE = record(v=uint, kind=text, time=uint, body=lambda item: item)


class Restricted(NamedTuple):
    """The export of a restricted log."""

    log: NamedTuple  # the evidence
    anchors: dict  # by index in the first log: salt, 32 bytes, and checkpoint


class Report(NamedTuple):
    findings: list
    entries: int
    kinds: dict
    anchors: int  # that hold
    head: Optional[Checkpoint]
    open: list  # break-glass accesses that no follow-up has closed


def parse(data):
    if len(data) > LONGEST:
        raise Malformed(f"longer than {LONGEST} bytes")
    entry = _ENVELOPE(cbor.decode(data))
    if entry["v"] != 1:
        raise Malformed("unknown version")
    if entry["kind"] not in BODIES:
        raise Malformed("unknown kind")
    body = BODIES[entry["kind"]](entry["body"])
    if entry["kind"] == "key":
        body["signed"] = {"public": body["public"]}
    return entry["kind"], body


def judge(restricted, genesis, keys, ticks, checkpoints, misfiled):
    """The report, and what is wrong with the first log's anchors. `keys` are the first log's, `checkpoints` the restricted
    log's as they were read, with what is `misfiled` among them."""
    evidence, log = restricted.log, genesis["origin"] if genesis else ""
    origin = log + "/restricted"
    places, hashes, findings = align(evidence.entries, evidence.leaves, checkpoints)
    findings = misfiled + findings
    if ticks.every is None:
        findings.append(Finding(None, "N3", "the first log's genesis has no restricted log"))
    books = _Books(origin, log, keys)
    kinds = Counter()
    for index, data in enumerate(places):
        try:
            kind, body = parse(data or b"")
        except Malformed as error:
            findings.append(Finding(index, "F1", str(error)))
            books.unreadable(index)
            kinds["unreadable"] += 1
            continue
        kinds[kind] += 1
        findings += [Finding(index, rule, what) for rule, what in books.entry(index, kind, body)]
    if len(books.signers.keys) < len(keys) and not books.broken:
        findings.append(Finding(None, "N3", "a key of the first log is missing"))
    trees = [roots(leaves) for leaves in hashes]
    history = History(books.signers.keys, trees, origin, evidence.vkey.rstrip("\r\n"), checkpoints)
    findings += history.findings
    findings.sort(key=lambda f: (f.index is None, f.index or 0, f.rule))
    known = next((index for index, data in enumerate(places) if not data), len(places))
    missed, good = _anchors(restricted.anchors, ticks.anchors, origin, books.signers.keys, trees[0][: known + 1])
    report = Report(findings, len(evidence.entries), dict(sorted(kinds.items())), good, history.head, sorted(books.open))
    return report, missed


class _Books:
    """Rule N3, and K1 of the restricted log."""

    def __init__(self, origin, log, keys):
        self.open, self.broken = set(), set()
        self.signers = Signers({"origin": origin})
        self._names = {"origin": origin, "log": log}
        self._first = [public for _, public in keys]
        self._accesses = set()

    def unreadable(self, index):
        self.broken.add(index)
        self.signers.unreadable()

    def entry(self, index, kind, body):
        if index == 0:
            if kind != "opening":
                yield "N3", "not the opening"
            elif body != self._names:
                yield "N3", "it is the restricted log of another"
        elif kind == "opening":
            yield "N3", "a second opening"
        elif index == 1 and kind != "key":
            yield "N3", "not a key"
        if kind == "key":
            if self._first[len(self.signers.keys) :][:1] != [body["public"]]:
                yield "N3", "not the key that the first log puts in force next"
            yield from self.signers.key(index, body)
        elif kind == "breakglass":
            self._accesses.add(index)
            self.open.add(index)
        elif kind == "followup":
            access = body["breakglass"]
            if access not in self._accesses | self.broken:
                yield "N3", "what it follows up is no earlier break-glass access"
            self.open.discard(access)
            if body["outcome"] == "open" and access in self._accesses:
                self.open.add(access)


def _anchors(given, anchors, origin, keys, tree):
    """Rule N2: findings of the first log, and how many anchors hold."""
    findings, opened, largest = [], [], 0
    for index, committed in anchors:
        try:
            opened.append((index, _opened(given.get(index), committed, origin, keys)))
        except Malformed as error:
            findings.append(Finding(index, "N2", str(error)))
    for index in given.keys() - {index for index, _ in anchors}:
        findings.append(Finding(index, "N2", "it is no anchor, and something is given that opens it"))
    good = 0
    for index, checkpoint in opened:
        if checkpoint.size < largest:
            findings.append(Finding(index, "N2", "it is of fewer entries than an earlier anchor"))
        largest = max(largest, checkpoint.size)
        if checkpoint.size >= len(tree):
            findings.append(Finding(index, "N2", "more entries were anchored than are there or can be read"))
        elif tree[checkpoint.size] != checkpoint.root:
            findings.append(Finding(index, "N2", "the entries are not those that were anchored"))
        else:
            good += 1
    return findings, good


def _opened(content, committed, origin, keys):
    if content is None or len(content) < 32:
        raise Malformed("what opens it is missing, or has no salt")
    if sha256(COMMITMENT + content).digest() != committed:
        raise Malformed("what opens it opens another commitment")
    checkpoint = Checkpoint.parse(content[32:])
    if checkpoint.origin != origin:
        raise Malformed("the checkpoint is of another log")
    public = next((public for at, public in reversed(keys) if at < checkpoint.size), None)
    if public is None or not checkpoint.note.signed_by(Key(origin, public)):
        raise Malformed("the checkpoint is not signed by the key in force")
    return checkpoint
