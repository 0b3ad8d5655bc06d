"""A log that ends, and one that goes on from it."""

import copy

from governed import ANA, CY, EVE, governed, grant, plus
from support import Log, checkpoint, encode, fixture_log, leaf, public, root, settle, signing_key, statement
from test_limits import CAP, limit, limited

OLD, NEXT = "salus.example/before", "salus.example/after"
FIRST, SECOND = 5, 6  # keys of the old log; those of the new one are 1 and 2
NEXT_KEY = 9
OFFICERS = {ANA: "ana", CY: "cy", EVE: "eve"}  # of the old log at its end: Bo has gone, and Eve approves nothing


def who(log: Log) -> str:
    """The scope of the analyst's limit."""
    return "analyst:" + next(entry["body"]["principal"] for entry in log.entries if entry["kind"] == "reserve")


def accounts(log: Log) -> list:
    """The accounts of limits that go on, as the entries leave them. All that counts here is for good, or of a day that ended."""
    spent = {limit["scope"]: limit["spent"] for limit in log.entries[0]["body"].get("predecessor", {}).get("limits", [])}
    for entry in log.entries:
        if entry["kind"] in ("reserve", "reuse"):
            charged = entry["body"].get("accounts", [])[1 if entry["kind"] == "reserve" else 0 :]
            spent.update((account["scope"], account["after"]) for account in charged)
    return [{"scope": scope, "spent": spent[scope]} for scope in sorted(spent) if "/" not in scope]


def signed_again(log: Log, *keep) -> Log:
    """All signatures and roots made anew by those who made them, but for what is at `keep`."""
    leaves, before = [], None
    by = {public(n): n for n in range(1, 20)}
    for index, entry in enumerate(log.entries):
        log.entries[index] = entry = copy.deepcopy(entry)
        body = entry["body"]
        if entry["kind"] == "review" and index not in keep:
            body["root"] = root(leaves[: body["to"] + 1])
        if entry["kind"] == "key":
            if "signature" in body and index not in keep:
                log.endorse(index, before)
            before = by.get(body["public"], before)
        if "approvals" in body and index not in keep:
            said = statement(log.origin, entry["kind"], body)
            for approval in body["approvals"]:
                if approval["officer"] in by:
                    approval["signature"] = signing_key(by[approval["officer"]]).sign(said)
        leaves.append(leaf(encode(entry)))
    return log


def seal(log: Log, origin: str, n: int, *officers, **totals) -> int:
    cap, spent, limits = log.cap(), log.spent(), accounts(log)
    said = {"cap": cap, "spent": spent, **({"limits": limits} if limits else {}), **totals}
    successor = {"origin": origin, "public": public(n)}
    # After the days and hours of the limits of the sample.
    index = log.push("seal", successor=successor, expires=2**60, reason=leaf(b"reason"), totals=copy.deepcopy(said))
    log.entries[index]["time"] = 1_790_000_000 + 10 * 86_400
    log.approve(index, *(officers or (ANA, CY)))
    return index


def old(sealed=True) -> Log:
    """The log of officers and limits, under another name and other keys; ended, or not."""
    log, _ = limited()
    log.push("policy", version=100, sha256=bytes(32), query_rho=1 << 60)
    governed(log)
    log.push("snapshot", dataset="main", snapshot=9, commitment=leaf(b"last"))
    log.entries = copy.deepcopy(log.entries)
    log.entries[0]["body"]["origin"] = OLD
    log.entries[1]["body"]["public"], log.entries[26]["body"]["public"] = public(FIRST), public(SECOND)
    log.sizes = [12, len(log.entries)]
    if sealed:
        seal(log, fixture_log().origin, 1)
        log.sizes = [12, len(log.entries)]
    return signed_again(log)


def left(log: Log, read=None) -> dict:
    """What the next log says of this one."""
    leaves = [leaf(encode(entry)) for entry in log.entries]
    heirs = sorted(({"public": public(n), "name": name} for n, name in OFFICERS.items()), key=lambda o: o["public"])
    said = {
        "origin": OLD,
        "public": public(SECOND),
        "checkpoint": checkpoint(OLD, len(leaves), root(leaves), SECOND),
        "successor": public(1),
        "spent": log.spent(),
        "limits": accounts(log),
        "officers": heirs,
    }
    return {**copy.deepcopy(said), **({} if read is None else {"read": read})}


def next_log(before: Log, read=None) -> Log:
    """Goes on from `before`: a reserve (6), a key (8), a grant (9), a seal (10)."""
    log = Log(fixture_log().entries[:6])
    genesis, scope = log.entries[0]["body"], who(before)
    genesis["cap"], genesis["ceiling"] = before.cap(), copy.deepcopy(before.entries[0]["body"]["ceiling"])
    genesis["predecessor"] = left(before, read)
    log.entries[4]["body"]["limits"] = [limit("analyst", name=scope.partition(":")[2])]
    reserve = copy.deepcopy(fixture_log().entries[6])
    purse = reserve["body"]["accounts"][0]
    purse["cap"], purse["before"] = before.cap(), before.spent()
    settle(reserve["body"])
    hers = next(each["spent"] for each in accounts(before) if each["scope"] == scope)
    limited = {"scope": scope, "cap": dict(CAP), "before": hers, "after": plus(hers, reserve["body"]["loss"])}
    reserve["body"]["accounts"].append(limited)
    log.entries.append(reserve)
    log.push("release", reserve=6, answer=leaf(b"answer"))
    log.endorse(log.push("key", public=public(2)), 1)
    grant(log, ANA, CY, by={"rho": 1 << 20, "delta": bytes(16)})
    if read is not None:
        log.approve(0, ANA, CY)
    seal(log, NEXT, NEXT_KEY)
    return log


def opened_with(log: Log, spent: dict) -> Log:
    """The purse opens otherwise, and goes on from there."""
    log = Log(copy.deepcopy(log.entries), log.sizes)
    log.entries[0]["body"]["predecessor"]["spent"] = spent
    body = log.entries[6]["body"]
    body["accounts"][0]["before"] = spent
    body["accounts"][0]["after"] = plus(spent, body["loss"])
    log.entries[10]["body"]["totals"]["spent"] = body["accounts"][0]["after"]
    return signed_again(log)
