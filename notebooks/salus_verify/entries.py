"""Rule F1: the fields of each kind of entry, their types and their ranges, as the CDDL of the format states them.

A check takes a decoded item and answers it, converted where that helps the rules: delta and `big` to int,
a rational to a Fraction. What it does not know it refuses with `Malformed`.
"""

from fractions import Fraction
from math import gcd

from . import cbor
from .findings import Malformed

DELTA_ONE = 1 << 80
LONGEST = 65_535  # bytes
LONGEST_BIG = 1024  # a limit of the checkers alone, far above anything that version 1 writes


def uint(item):
    if type(item) is not int:  # a bool is an int to isinstance
        raise Malformed("not a number")
    return item


def positive(item):
    if uint(item) < 1:
        raise Malformed("below 1")
    return item


def truth(item):
    if not isinstance(item, bool):
        raise Malformed("neither true nor false")
    return item


def text(item):
    if not isinstance(item, str):
        raise Malformed("not text")
    return item


def blob(length=None):
    def check(item):
        if not isinstance(item, bytes) or length not in (None, len(item)):
            raise Malformed("not bytes, or not as many as there must be")
        return item

    return check


def one_of(*words):
    def check(item):
        if text(item) not in words:
            raise Malformed("not one of " + ", ".join(words))
        return item

    return check


def many(check, least=0, most=None):
    def check_all(item):
        if not isinstance(item, list) or len(item) < least or most is not None and len(item) > most:
            raise Malformed(f"not a list of at least {least}, or of more than there may be")
        return [check(each) for each in item]

    return check_all


def record(_optional=(), **fields):
    """A map with exactly these fields; those in `_optional` may be missing."""

    def check(item):
        if not isinstance(item, dict):
            raise Malformed("not a map")
        for name in item:
            if name not in fields:
                raise Malformed(f"unknown field {name!a}")
        result = {}
        for name, field in fields.items():
            if name in item:
                try:
                    result[name] = field(item[name])
                except Malformed as error:
                    raise Malformed(f"{name}: {error}") from None
            elif name not in _optional:
                raise Malformed(f"no field {name}")
        return result

    return check


def delta(item):
    units = int.from_bytes(blob(16)(item), "big")
    if units > DELTA_ONE:
        raise Malformed("above 1")
    return units


def big(item):
    if not isinstance(item, bytes) or item[:1] == b"\0" or len(item) > LONGEST_BIG:
        raise Malformed("not a natural number in its shortest form, or too long")
    return int.from_bytes(item, "big")


def rational(item):
    pair = many(big, 2, 2)(item)
    if pair[1] == 0 or gcd(*pair) != 1:
        raise Malformed("not a fraction in lowest terms")
    return Fraction(*pair)


_threshold = record(minimum=positive, tau=uint)


def threshold(item):
    item = _threshold(item)
    if item["tau"] < item["minimum"]:
        raise Malformed("tau is below the minimum")
    return item


hash32 = blob(32)
loss = record(rho=uint, delta=delta)
account = record(scope=text, cap=loss, before=loss, after=loss)
def ascending_texts(item):
    """A list of texts, each above the one before it."""
    items = many(text)(item)
    if any(one >= following for one, following in zip(items, items[1:])):
        raise Malformed("not in order")
    return items


step = record(("table",), rule=text, op=text, inputs=many(uint), table=text, rows=uint)
_weighted = record(unit=positive, groups=uint)
_release = record(
    ("weighted",), step=uint, rows_per_person=positive, groups_per_person=positive, cells=uint, weighted=_weighted
)


def release(item):
    item = _release(item)
    weighted = item.get("weighted")
    if weighted and (weighted["unit"] > 1 << 20 or not item["groups_per_person"] <= weighted["groups"] <= 1 << 10):
        raise Malformed("a weight or number of groups out of range")
    return item


aggregate = one_of("persons", "rows", "sum", "centred_sum", "centred_square", "values", "tree")
vector = dict(release=uint, aggregate=aggregate, bound=uint, values=positive, sensitivity2=rational)
noise = dict(kind=one_of("discrete_gaussian", "discrete_laplace"), sigma=rational, rho=uint, delta=delta, threshold=threshold)
mechanism = record(("threshold",), **vector, **noise)
cited = dict(dataset=uint, snapshot=uint, catalog=uint, policy=uint)
shown = dict(releases=many(release, 1), keys=hash32, mechanisms=many(mechanism, 1))
certificate = record(unit=text, steps=many(step, 1), **shown, **cited)
asked = dict(principal=text, purpose=text, question=hash32)
_limit = record(("name", "seconds"), of=one_of("space", "dataset", "analyst", "purpose"), name=text, seconds=positive, cap=loss)


def limit(item):
    item = _limit(item)
    if item["of"] == "space" and ("name" in item or "seconds" not in item):
        raise Malformed("a limit of the space needs a period and takes no name")
    return item


def limits(items):
    items = many(limit, 1)(items)
    if len({(item["of"], item.get("name"), item.get("seconds")) for item in items}) < len(items):
        raise Malformed("two limits of the same share, name and period")
    return items


booked = dict(certificate=certificate, loss=loss, accounts=many(account, 1))
promised = dict(adjacency=text, ceiling=loss, cap=loss, conversion_delta=delta)  # F2 says which adjacency
approval = record(officer=blob(32), signature=blob(64))
alone, together = dict(approvals=many(approval, 1)), dict(approvals=many(approval, 2))  # how many approve, at least
raised = dict(scope=text, old=loss, new=loss, nonce=blob(16), expires=uint, reason=hash32)
missed = dict(reserve=uint, loss=loss, note=hash32, accounts=many(account, 1, 1))
going_on = many(record(scope=text, spent=loss), 1)
heirs = many(record(public=blob(32), name=text), 2)
signed_off = dict(public=blob(32), checkpoint=blob(), successor=blob(32))
before = record(("read", "limits"), origin=text, read=uint, spent=loss, limits=going_on, officers=heirs, **signed_off)
_genesis = record(
    ("predecessor", "approvals", "restricted"),
    origin=text,
    space=text,
    build=text,
    rules=uint,
    predecessor=before,
    restricted=positive,
    **promised,
    **together,
)


def genesis(item):
    item = _genesis(item)
    if ("read" in item.get("predecessor", {})) != ("approvals" in item):
        raise Malformed("officers approve a genesis where the log before it was lost, and nowhere else")
    return item


ended = dict(successor=record(origin=text, public=blob(32)), expires=uint, reason=hash32)
totals = record(("limits",), cap=loss, spent=loss, limits=going_on)
looked = {"principal": text, "from": uint, "to": uint, "root": hash32, "note": hash32}
BODIES = {
    "genesis": genesis,
    "key": record(("signature",), public=blob(32), signature=blob(64)),
    "dataset": record(("tables",), dataset=text, unit=text, space=text, tables=ascending_texts),
    "catalog": record(dataset=text, version=uint, sha256=hash32),
    "policy": record(("limits",), version=uint, sha256=hash32, query_rho=uint, limits=limits),
    "snapshot": record(dataset=text, snapshot=uint, commitment=hash32),
    "reserve": record(roles=many(text), plan=hash32, **asked, **booked),
    "release": record(reserve=uint, answer=hash32),
    "abort": record(reserve=uint, reason=one_of("failed", "dropped")),
    "reuse": record(("accounts",), roles=many(text), release=uint, accounts=many(account, 1), **asked),
    "refuse": record(rule=text, **asked),
    "officer": record(("approvals",), public=blob(32), name=text, active=truth, **together),
    "grant": record(**raised, **together),
    "review": record(("approvals",), **looked, **alone),
    "incident": record(("approvals",), **missed, **alone),
    "anchor": record(tick=uint, checkpoint=hash32),
    "seal": record(totals=totals, **ended, **together),
}
_ENVELOPE = record(v=uint, kind=text, time=uint, body=lambda item: item)


def parse(data: bytes):
    """Kind and body of an entry of version 1. Among the fields of the body are its time and, as they stand, those that
    are `signed` if anybody signs the entry."""
    if len(data) > LONGEST:
        raise Malformed(f"longer than {LONGEST} bytes")
    entry = _ENVELOPE(cbor.decode(data))
    if entry["v"] != 1:
        raise Malformed("unknown version")
    if entry["kind"] not in BODIES:
        raise Malformed("unknown kind")
    body = BODIES[entry["kind"]](entry["body"])
    body["time"] = entry["time"]
    if "signature" in body or "approvals" in body:
        # The totals of a seal are the log's own, and recomputed.
        unsigned = ("signature", "approvals", "totals")
        body["signed"] = {name: item for name, item in entry["body"].items() if name not in unsigned}
    return entry["kind"], body
