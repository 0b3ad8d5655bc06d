"""A small ledger writer for the tests: encoder, tree, signer. It shares nothing with the verifier but the decoder,
so that an error in one of the two shows."""

import base64
import copy
import decimal
import math
import sys
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, Optional

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

NOTEBOOKS = Path(__file__).resolve().parents[1]
REPOSITORY = NOTEBOOKS.parent
SOUND = REPOSITORY / "privacy/checker/fixtures/sound"
sys.path.insert(0, str(NOTEBOOKS))

from salus_verify import cbor  # noqa: E402
from salus_verify.audit import Evidence  # noqa: E402


class Raw(NamedTuple):
    """Bytes that go into an encoding as they are: what the decoder must refuse."""

    data: bytes


def head(major: int, n: int) -> bytes:
    for bound, short, width in ((24, n, 0), (1 << 8, 24, 1), (1 << 16, 25, 2), (1 << 32, 26, 4), (1 << 64, 27, 8)):
        if n < bound:
            return bytes([major << 5 | short]) + (n.to_bytes(width, "big") if width else b"")
    raise OverflowError(n)


def encode(item) -> bytes:
    if isinstance(item, Raw):
        return item.data
    if isinstance(item, bool):
        return b"\xf5" if item else b"\xf4"
    if isinstance(item, int):
        return head(0, item)
    if isinstance(item, bytes):
        return head(2, len(item)) + item
    if isinstance(item, str):
        return head(3, len(item.encode())) + item.encode()
    if isinstance(item, list):
        return head(4, len(item)) + b"".join(map(encode, item))
    pairs = sorted((encode(key), encode(value)) for key, value in item.items())
    return head(5, len(pairs)) + b"".join(key + value for key, value in pairs)


def leaf(entry: bytes) -> bytes:
    return sha256(b"\0" + entry).digest()


def _split(count: int) -> int:
    split = 1
    while split * 2 < count:
        split *= 2
    return split


def root(leaves: list) -> bytes:
    """RFC 6962, 2.1, as the recursion by which it is defined."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"").digest()
    split = _split(len(leaves))
    return sha256(b"\1" + root(leaves[:split]) + root(leaves[split:])).digest()


def path(index: int, leaves: list) -> list:
    """RFC 6962, 2.1.1, as the recursion by which it is defined."""
    if len(leaves) < 2:
        return []
    split = _split(len(leaves))
    if index < split:
        return path(index, leaves[:split]) + [root(leaves[split:])]
    return path(index - split, leaves[split:]) + [root(leaves[:split])]


def signing_key(n: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32)


def public(n: int) -> bytes:
    return signing_key(n).public_key().public_bytes_raw()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def key_id(name: str, key: bytes, type: bytes = b"\1") -> bytes:
    return sha256(name.encode() + b"\n" + type + key).digest()[:4]


def vkey(name: str, n: int, type: bytes = b"\1") -> str:
    encoded = b64(type + public(n))
    return f"{name}+{key_id(name, public(n), type).hex()}+{encoded}"


def note(text: str, name: str, n: int) -> bytes:
    signature = signing_key(n).sign(text.encode())
    return f"{text}\n\u2014 {name} {b64(key_id(name, public(n)) + signature)}\n".encode()


def checkpoint(origin: str, size: int, tree_root: bytes, n: int) -> bytes:
    return note(f"{origin}\n{size}\n{b64(tree_root)}\n", origin, n)


def statement(origin: str, kind: str, body: dict) -> bytes:
    """What keys and officers sign of an entry."""
    said = {name: item for name, item in body.items() if name not in ("signature", "approvals", "totals")}
    return b"salus/statement/v1\0" + encode({"body": said, "kind": kind, "origin": origin})


def units(item: dict) -> dict:
    return {"rho": item["rho"], "delta": int.from_bytes(item["delta"], "big")}


def at(item, where: tuple):
    for part in where:
        item = item[part]
    return item


class Log:
    """Entries as items, to be changed and then encoded, hashed and signed afresh with keys of the test."""

    def __init__(self, entries: list, sizes: Optional[list] = None):
        self.entries = entries
        self.sizes = sizes  # of the checkpoints; None: one for each entry from the second on
        self.keys = {public(n): n for n in range(1, 10)}  # those that sign checkpoints

    def clone(self) -> "Log":
        return Log(copy.deepcopy(self.entries), self.sizes)

    def put(self, index: int, where: tuple, new) -> "Log":
        """A copy with one item changed; the other entries are shared."""
        log = Log(list(self.entries), self.sizes)
        if where:
            log.entries[index] = copy.deepcopy(self.entries[index])
            at(log.entries[index], where[:-1])[where[-1]] = new
        else:
            log.entries[index] = new
        return log

    def push(self, kind: str, **body) -> int:
        self.entries.append({"v": 1, "kind": kind, "time": 1_790_000_000, "body": body})
        return len(self.entries) - 1

    def reserve(self, like: int, **cites) -> int:
        """Another reserve with the certificate of `like`, following the newest total."""
        body = copy.deepcopy(self.entries[like]["body"])
        body["certificate"].update(cites)
        body["accounts"] = [{**body["accounts"][0], "cap": self.cap(), "before": self.spent()}]
        settle(body)
        return self.push("reserve", **body)

    def spent(self) -> dict:
        of = [entry["body"] for entry in self.entries if entry["kind"] in ("reserve", "incident")]
        return copy.deepcopy(of[-1]["accounts"][0]["after"])

    def cap(self) -> dict:
        granted = [entry["body"] for entry in self.entries if entry["kind"] == "grant"]
        raised = [body["new"] for body in granted if body["scope"].startswith("space:")]
        return copy.deepcopy((raised or [self.entries[0]["body"]["cap"]])[-1])

    def endorse(self, index: int, by: int) -> "Log":
        """The key of this entry, signed by another."""
        body = self.entries[index]["body"]
        body["signature"] = signing_key(by).sign(statement(self.origin, "key", body))
        return self

    def renamed(self, origin: str) -> "Log":
        """Under another origin, over which the sample's second key is signed too."""
        return self.put(0, ("body", "origin"), origin).endorse(26, 1)

    def approve(self, index: int, *officers: int, origin: Optional[str] = None) -> "Log":
        """The entry, approved by these, in the order that there must be."""
        body = self.entries[index]["body"]
        said = statement(self.origin if origin is None else origin, self.entries[index]["kind"], body)
        approvals = [{"officer": public(n), "signature": signing_key(n).sign(said)} for n in officers]
        body["approvals"] = sorted(approvals, key=lambda approval: approval["officer"])
        return self

    @property
    def origin(self) -> str:
        return self.entries[0]["body"]["origin"]

    def signer(self, size: int) -> int:
        """The key of the last key entry below `size`; one that is no key of the test leaves that before it."""
        found = 1
        for entry in self.entries[:size]:
            if isinstance(entry, dict) and entry.get("kind") == "key" and isinstance(entry.get("body"), dict):
                found = self.keys.get(entry["body"].get("public"), found)
        return found

    def evidence(self, origin: Optional[str] = None, signer=None) -> Evidence:
        origin = self.origin if origin is None else origin
        signer = signer or self.signer
        entries = [encode(entry) for entry in self.entries]
        leaves = [leaf(entry) for entry in entries]
        sizes = range(2, len(entries) + 1) if self.sizes is None else self.sizes
        notes = {size: checkpoint(origin, size, root(leaves[:size]), signer(size)) for size in sizes}
        return Evidence(entries, leaves, notes, vkey(origin, signer(len(entries))) + "\n")

    def receipt(self, index: int, answer: bytes, salt: bytes, **extra) -> str:
        """The receipt of a release under the newest checkpoint; `extra` overrides what it carries."""
        leaves = [leaf(encode(entry)) for entry in self.entries]
        size = len(leaves)
        carried = {"answer": answer, "entry": encode(self.entries[index]), "salt": salt, **extra}
        signed = checkpoint(self.origin, size, root(leaves), self.signer(size))
        return receipt_text(carried, index, path(index, leaves), signed)


def receipt_text(extra: dict, index: int, proof: list, signed: bytes) -> str:
    hashes = "".join(b64(each) + "\n" for each in proof)
    return f"c2sp.org/tlog-proof@v1\nextra {b64(encode(extra))}\nindex {index}\n{hashes}\n{signed.decode()}"


def read(directory: Path) -> Evidence:
    """An export that is known to be well laid out."""
    of = lambda name: sorted((directory / name).iterdir())  # noqa: E731
    packed = (directory / "leaves").read_bytes()
    return Evidence(
        [file.read_bytes() for file in of("entries")],
        [packed[n : n + 32] for n in range(0, len(packed), 32)],
        {int(file.name): file.read_bytes() for file in of("checkpoints")},
        (directory / "ledger.vkey").read_text(),
    )


def files(evidence: Evidence) -> dict:
    """Names and contents of the files of an export."""
    result = {f"entries/{index:09}.cbor": data for index, data in enumerate(evidence.entries)}
    result.update({f"checkpoints/{size:09}": data for size, data in evidence.checkpoints.items()})
    result["ledger.vkey"] = evidence.vkey.encode()
    if evidence.leaves is not None:
        result["leaves"] = b"".join(evidence.leaves)
    return result


def fixture_log() -> Log:
    """The fixture's entries, with its key replaced by one of the tests', so that it can be signed again."""
    log = Log([cbor.decode(data) for data in read(SOUND).entries])
    log.entries[1]["body"]["public"] = public(1)
    return log


def sample() -> Log:
    """The fixture's entries, and what it lacks: a second dataset, and a new key with which the log goes on."""
    log = fixture_log()
    space, name = log.entries[0]["body"]["space"], "claims"
    dataset = log.push("dataset", dataset=name, unit="person_id", space=space)
    catalog = log.push("catalog", dataset=name, version=1, sha256=leaf(b"catalog"))
    snapshot = log.push("snapshot", dataset=name, snapshot=1, commitment=leaf(b"snapshot"))
    log.endorse(log.push("key", public=public(2)), 1)
    reserve = log.reserve(21, dataset=dataset, catalog=catalog, snapshot=snapshot)
    log.push("release", reserve=reserve, answer=leaf(b"answer"))
    dropped = log.reserve(16)
    enrich(log.entries[dropped]["body"])
    log.push("abort", reserve=dropped, reason="dropped")
    log.reserve(16)
    return log


# The threshold of the sample, for noise of sigma 25/2, and its delta to the unit: see `tail`.
THRESHOLD, UNKNOWN_L0, SIGMA = {"minimum": 5, "tau": 105}, 4, Fraction(25, 2)
KINDS = ("discrete_gaussian", "discrete_laplace")
# Where persons are weighted: parts, and groups of a person that count.
WEIGHTED, WEIGHTED_SIGMA, WEIGHTED_THRESHOLD = {"unit": 16, "groups": 6}, Fraction(2000), {"minimum": 5, "tau": 1005}


def tail(groups: int, minimum: int, tau: int, sigma: Fraction, kind="discrete_gaussian", unit=1, most=None) -> int:
    """D of the format in units of 2^-80, by the decimal module, which shares nothing with the verifier's series."""
    with decimal.localcontext() as context:
        context.prec = 400
        exact = lambda value: decimal.Decimal(value.numerator) / decimal.Decimal(value.denominator)  # noqa: E731

        def beyond(x):
            if kind == "discrete_laplace":
                return (-exact(x / sigma)).exp() / exact(1 + max(0, 1 - 1 / sigma))
            twice, spread = 2 * sigma**2, exact(sigma) * decimal.Decimal("2.5066282746")
            rest = 1 - (-exact((2 * x + 1) / twice)).exp()
            return (-exact(x * x / twice)).exp() / (rest * max(1, spread))

        def weight(n):
            return int((decimal.Decimal(unit * unit * groups) / n).sqrt()) if n > groups else unit

        counted = range(groups, (most or groups) + 1)
        bound = max(n * beyond((tau - minimum + 1) * unit - weight(n) + 1) for n in counted)
        return min(int(bound * 2**80), 2**80)


def rational(value: Fraction) -> list:
    big = lambda n: n.to_bytes((n.bit_length() + 7) // 8, "big")  # noqa: E731
    return [big(value.numerator), big(value.denominator)]


def enrich(body: dict) -> None:
    """Gives a reserve a certificate with every rule and aggregate, and keys that are not public."""

    def step(rule, rows, *inputs):
        return {"rule": rule, "op": "operator", "inputs": list(inputs), "rows": rows}

    def scan(rule, rows, table):
        return {**step(rule, rows), "table": table}

    certificate = body["certificate"]
    certificate["steps"] = [
        scan("S0", 500, "observation"),
        step("S8", 2, 0),
        scan("S0", 300, "condition"),
        step("S5", 300, 2),
        step("S6", 302, 1, 3),
        step("RELEASE", 3, 4),
        scan("S0p", 0, "measurement"),
        step("S3", 0, 4, 6),
        step("S4", 1, 7),
        step("RELEASE", 1, 8),
        step("RELEASE", 1, 8),
    ]
    certificate["releases"] = [
        {"step": 5, "rows_per_person": 3, "groups_per_person": 2, "cells": 12},
        {"step": 9, "rows_per_person": 1, "groups_per_person": UNKNOWN_L0, "cells": 0},
        {"step": 10, "rows_per_person": 1, "groups_per_person": UNKNOWN_L0, "cells": 0, "weighted": dict(WEIGHTED)},
    ]

    def mechanism(release, aggregate, bound, s2, sigma, **more):
        rho = math.ceil(Fraction(2**40 * s2) / (2 * sigma * sigma))
        noise = {"kind": KINDS[0], "sigma": rational(Fraction(sigma)), "rho": rho, "delta": bytes(16)}
        fields = {"release": release, "aggregate": aggregate, "bound": bound, "values": 1}
        return {**fields, "sensitivity2": rational(Fraction(s2)), **noise, **more}

    price = tail(UNKNOWN_L0, **THRESHOLD, sigma=SIGMA).to_bytes(16, "big")
    spread = dict(sigma=WEIGHTED_SIGMA, unit=WEIGHTED["unit"], most=WEIGHTED["groups"])
    heavy = tail(UNKNOWN_L0, **WEIGHTED_THRESHOLD, **spread).to_bytes(16, "big")
    certificate["mechanisms"] = [
        mechanism(0, "rows", 1, 18, 40),
        mechanism(0, "values", 1, 18, 40),
        mechanism(0, "sum", 300, 900**2 * 2, 20000),
        mechanism(0, "centred_square", 150, 450**2 * 2, 9001),
        mechanism(1, "persons", 1, UNKNOWN_L0, SIGMA, delta=price, threshold=dict(THRESHOLD)),
        mechanism(1, "tree", 3, 3 * UNKNOWN_L0, 90, values=73),
        mechanism(0, "rows", 1, 36, 300, kind=KINDS[1]),
        mechanism(2, "persons", 1, 256 * UNKNOWN_L0, WEIGHTED_SIGMA, delta=heavy, threshold=dict(WEIGHTED_THRESHOLD)),
    ]
    settle(body)


def settle(body: dict) -> None:
    """Loss and account as the mechanisms say."""
    account, before = body["accounts"][0], units(body["accounts"][0]["before"])
    mechanisms = [units(mechanism) for mechanism in body["certificate"]["mechanisms"]]
    for unit, write in (("rho", int), ("delta", lambda n: n.to_bytes(16, "big"))):
        loss = sum(mechanism[unit] for mechanism in mechanisms)
        body["loss"][unit], account["after"][unit] = write(loss), write(before[unit] + loss)
