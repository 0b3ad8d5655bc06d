"""The report, as text and as JSON: what was recomputed, what is only attested, what no log can show."""

import json

from .entries import DELTA_ONE
from .prices import RHO_ONE

VERIFIED = """\
the one canonical form of every entry, its fields, types and ranges (F1)
the beginning, what is cited, the newest catalog and policy (F2, F3)
the Merkle tree over all entries; checkpoints and their signatures (T1, T2)
derivations, sensitivities and prices, recomputed in exact fractions (P1 to P5)
the running total against the cap in force, what raised caps; at most one ending per reserve (B1, G1, B2)
the limits of the policy in force, each against its own account (B3)
who signed: keys by the key before them, officers and what these approved (K1, O1, A1)
that reviews were of the entries that are here (R1)
that nothing follows a seal, which says what was spent; what a genesis says of the log before it (E1, E2)
that the restricted log, where there is one, is anchored at its ticks and nowhere else (N1)""".split("\n")
CARRIED = "that it opened with what the log before it ended with, or no less than is left of that (E3)"
BESIDE = "that the restricted log holds all that was anchored, and is this log's (N2, N3)"
COSIGNED = "that the policy's quorum of witnesses cosigned the newest checkpoint of this log (W1)"

# The fields of standing A in docs/proofs/checker-rules.md, which says who could vouch for each.
ATTESTED = {
    "entry": ["time"],
    "genesis": ["conversion_delta", "build", "rules"],
    "dataset": ["unit"],
    "catalog": ["version", "sha256"],
    "policy": ["version", "sha256"],
    "snapshot": ["snapshot", "commitment"],
    "reserve": ["principal", "roles[]", "purpose", "question", "plan", "certificate.unit"]
    + ["certificate.steps[].op", "certificate.keys"],
    "release": ["answer"],
    "abort": ["reason"],
    "reuse": ["principal", "roles[]", "purpose", "question"],
    "refuse": ["principal", "purpose", "rule", "question"],
    "officer": ["name"],
    "grant": ["reason"],
    "review": ["principal", "note"],
    "incident": ["note"],
    "anchor": ["checkpoint"],
    "seal": ["reason"],
}

OUTSIDE = """\
that there is no other way to the data, and no other log for the same people
that the catalog's bounds and units are true, and that records were linked to the right persons
that the executed query was the certified one, with its bounds on rows, groups and values
that noise was drawn once, from the certified distribution, and nothing else was shown
that this is the newest state: compare with a checkpoint, or a receipt, that was kept elsewhere""".split("\n")


def _decimal(units, one, digits):
    """Rounded up: a loss is not shown smaller than it is."""
    scaled = -(-units * 10**digits // one)
    whole, rest = divmod(scaled, 10**digits)
    return f"{whole}.{rest:0{digits}}".rstrip("0").rstrip(".")


def _shown(loss):
    return f"rho {_decimal(loss['rho'], RHO_ONE, 12)} delta {_decimal(loss['delta'], DELTA_ONE, 24)}"


def _plain(text):
    """Text of the log must not be able to write lines of the report."""
    return text if text.isprintable() else ascii(text)


def _attested(report):
    """By kind, for the kinds that the log has."""
    return {kind: fields for kind, fields in ATTESTED.items() if kind == "entry" or kind in report.kinds}


def _totals(report):
    """Scope, cap, spent and number of charges: of the purse, where there is a genesis to say so, and of each limit."""
    books, genesis = report.books, report.books.genesis
    purse = [(books.purse.scope, books.purse.cap, books.purse.spent, len(books.reserves))] if genesis else []
    return purse + books.limits.totals


def _verified(report):
    opening = report.books.succession.opening
    carried = [CARRIED] if opening and opening["compared"] else []
    carried += [BESIDE] if report.restricted else []
    return VERIFIED + carried + ([] if report.cosigned is None else [COSIGNED])


def _watched(report):
    """The cap in force, and what those did who watch the analysts: officers, reviewers, witnesses."""
    if report.books.purse.cap:
        yield f"cap in force: {_shown(report.books.purse.cap)}"
    for officer in report.books.signers.officers:
        how = "self-named" if officer["self_named"] else "approved"
        until = "active" if officer["active"] else f"until entry {officer['until']}"
        yield f"officer {_plain(officer['name'])}: since entry {officer['since']}, {how}, {until}"
    for index, body in report.books.of("grant"):
        yield f"grant {index}: {_plain(body['scope'])} from {_shown(body['old'])} to {_shown(body['new'])}{_approved(report, index)}"
    for index, body in report.books.of("review"):
        looked = f"{_plain(body['principal'])} looked at entries {body['from']} to {body['to']}"
        yield f"review {index}: {looked}{_approved(report, index)}"
    for index, body in report.books.of("incident"):
        cost = f"reserve {body['reserve']} cost {_shown(body['loss'])} more than it said"
        yield f"incident {index}: {cost}{_approved(report, index)}"
    opening, sealed = report.books.succession.opening, report.books.succession.sealed
    if opening:
        end = "sealed" if opening["read"] is None else f"lost, {opening['read']} entries of it were read"
        by = "" if opening["read"] is None else ", approved by " + ", ".join(map(_plain, opening["approved_by"]))
        how = "compared with it" if opening["compared"] else "attested, bring it to compare (--predecessor)"
        yield f"goes on from {_plain(opening['origin'])} ({end}{by}) with {_shown(opening['spent'])}: {how}"
    if sealed:
        by = ", ".join(map(_plain, sealed["approved_by"]))
        yield f"seal {sealed['entry']}: {_plain(sealed['successor'])} goes on from {_shown(sealed['spent'])}, approved by {by}"
    for name, key, time in report.cosigned or ():
        said = "not cosigned" if time is None else f"cosigned at second {time}"
        yield f"witness {_plain(name)} ({_plain(key)}): {said}"


def _beside(report):
    """The restricted log."""
    if report.restricted is None:
        if "anchor" in report.kinds:
            yield "restricted log: not brought (--restricted); its anchors are attested"
        return
    yield f"restricted log: {report.restricted.entries} entries, {report.restricted.anchors} anchors hold"
    for index, rule, what in report.restricted.findings:
        yield f"  restricted log: {rule}{'' if index is None else f' entry {index}'}: {_plain(what)}"
    yield "open break-glass accesses: " + (", ".join(map(str, report.restricted.open)) or "none")


def _approved(report, index):
    return ", approved by " + (", ".join(map(_plain, report.books.signers.approvers[index])) or "nobody")


def as_text(report):
    good, head = report.history.good, report.history.head
    word = "HOLDS" if report.holds else "FAILS"
    lines = [f"{word}: {report.entries} entries, {len(good)} checkpoints with a good signature"]
    for index, rule, what in report.findings:
        lines.append(f"  {rule}{'' if index is None else f' entry {index}'}: {_plain(what)}")
    if head:
        lines.append(f"newest checkpoint: size {head.size}, root {head.root.hex()}")
    for scope, cap, spent, count in _totals(report):
        lines.append(f"{_plain(scope)}: {count} reserves, spent {_shown(spent)}, cap {_shown(cap)}")
    lines += _watched(report)
    lines += _beside(report)
    lines.append("kinds: " + ", ".join(f"{kind} {count}" for kind, count in report.kinds.items()))
    lines.append("open reserves (they stay spent): " + (", ".join(map(str, report.books.open)) or "none"))
    lines.append("verified:" if report.holds else "checked, and where no rule is named above, verified:")
    lines += ["  " + line for line in _verified(report)]
    lines.append("attested only, not recomputed:")
    lines += [f"  {kind}: {', '.join(fields)}" for kind, fields in _attested(report).items()]
    lines.append("outside of what any log can show:")
    lines += ["  " + line for line in OUTSIDE]
    return "\n".join(lines)


def _units(loss):
    return {f"{name}_units": str(units) for name, units in loss.items()}


def _ends(record):
    """The opening or the end, with its amounts in units."""
    if record is None:
        return None
    amounts = {name: _units(record[name]) for name in ("cap", "spent") if name in record}
    limits = [{"scope": limit["scope"], "spent": _units(limit["spent"])} for limit in record["limits"]]
    return {**record, **amounts, "limits": limits}


def _entered(report, kind, *fields):
    """The entries of a kind: where, these of their fields, and who approved."""
    result = []
    for index, body in report.books.of(kind):
        shown = {name: _units(body[name]) if isinstance(body[name], dict) else body[name] for name in fields}
        result.append({"entry": index, **shown, "approved_by": report.books.signers.approvers[index]})
    return result


def _restricted(report):
    head = report.head
    return {
        "entries": report.entries,
        "findings": [f._asdict() for f in report.findings],
        "anchors": report.anchors,
        "head": head and {"size": head.size, "root": head.root.hex()},
        "kinds": report.kinds,
        "open": report.open,
    }


def as_json(report):
    """The names that `salus-audit --format json` uses, numbers of units as text."""
    head = report.history.head
    document = {
        "holds": report.holds,
        "entries": report.entries,
        "checkpoints": len(report.history.good),
        "head": head and {"size": head.size, "root": head.root.hex()},
        "findings": [f._asdict() for f in report.findings],
        "totals": [
            {"scope": scope, "reserves": count, "spent": _units(spent), "cap": _units(cap)}
            for scope, cap, spent, count in _totals(report)
        ],
        "kinds": report.kinds,
        "open": report.books.open,
        "cap": report.books.purse.cap and _units(report.books.purse.cap),
        "officers": report.books.signers.officers,
        "grants": _entered(report, "grant", "scope", "old", "new"),
        "reviews": _entered(report, "review", "principal", "from", "to"),
        "incidents": _entered(report, "incident", "reserve", "loss"),
        "opening": _ends(report.books.succession.opening),
        "sealed": _ends(report.books.succession.sealed),
        "restricted": report.restricted and _restricted(report.restricted),
        "witnessed": report.cosigned
        and [{"witness": name, "key": key, "time": time} for name, key, time in report.cosigned if time is not None],
        "verified": _verified(report),
        "attested": [{"field": f"{kind}.{field}"} for kind, fields in _attested(report).items() for field in fields],
        "outside": OUTSIDE,
    }
    return json.dumps(document)
