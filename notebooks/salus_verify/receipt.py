"""Receipts: a C2SP tlog-proof that carries a release, the answer and the salt of its commitment."""

from hashlib import sha256
from typing import NamedTuple

from . import cbor, entries
from .findings import Finding, Malformed
from .merkle import included, leaf_hash
from .note import Checkpoint, number, unbase64

FIRST_LINE = "c2sp.org/tlog-proof@v1"
COMMITMENT = b"salus/commitment/v1\0"
LONGEST_PROOF = 64  # no tree of less than 2^64 entries is higher
_extra = entries.record(answer=entries.blob(), entry=entries.blob(), salt=entries.blob(32))


class Receipt(NamedTuple):
    index: int
    entry: bytes
    checkpoint: Checkpoint


class Failure(Exception):
    """Carries the finding."""


def _fail(index, rule, what):
    raise Failure(Finding(index, rule, what))


def _parse(text):
    """The lines of the proof below the first, and the checkpoint's bytes."""
    top, blank, signed = text.partition("\n\n")
    first, *lines = top.split("\n")
    if not blank or first != FIRST_LINE or len(lines) < 2 or not lines[0].startswith("extra "):
        raise Malformed("not a tlog-proof with extra data")
    if not lines[1].startswith("index "):
        raise Malformed("no index")
    proof = [unbase64(line) for line in lines[2:]]
    if len(proof) > LONGEST_PROOF or any(len(each) != 32 for each in proof):
        raise Malformed("a proof is at most 64 hashes of 32 bytes")
    return lines[0][6:], number(lines[1][6:]), proof, signed.encode()


def verify(text: str, keys: list) -> Receipt:
    """What a receipt that one of these keys has signed shows by itself, or `Failure`."""
    index, rule = None, "receipt"  # what a form that is not right fails
    try:
        extra, index, proof, signed = _parse(text)
        extra = _extra(cbor.decode(unbase64(extra)))
        rule = "T2"
        checkpoint = Checkpoint.parse(signed)
    except Malformed as error:
        _fail(index, rule, str(error))
    if not any(checkpoint.origin == key.name and checkpoint.note.signed_by(key) for key in keys):
        _fail(index, "T2", "the checkpoint is not signed by a key of the log")
    if not included(index, checkpoint.size, leaf_hash(extra["entry"]), proof, checkpoint.root):
        _fail(index, "T1", "the entry is not in the checkpoint's tree")
    try:
        kind, body = entries.parse(extra["entry"])
    except Malformed as error:
        _fail(index, "F1", str(error))
    if kind != "release":
        _fail(index, "receipt", f"the entry is a {kind}, not a release")
    if body["reserve"] >= index:
        _fail(index, "F3", "ends no earlier entry")
    if sha256(COMMITMENT + extra["salt"] + extra["answer"]).digest() != body["answer"]:
        _fail(index, "receipt", "salt and answer do not open the commitment")
    return Receipt(index, extra["entry"], checkpoint)
