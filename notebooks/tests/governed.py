"""A log with officers: what people beside the analysts enter, behind any other log of the tests."""

import copy

from support import Log, encode, leaf, public, root, sample, units

ANA, BO, CY, DEE, EVE = 11, 12, 13, 14, 15  # keys of officers; Dee is none yet
NAMES = {public(n): n for n in (ANA, BO, CY, DEE, EVE)}  # by public key
NONCE, EXPIRES = bytes(range(16)), 1_790_000_060
RISE = {"rho": 300 * 10**9, "delta": bytes(16)}  # of the cap, by a grant
COST = {"rho": 150 * 10**9, "delta": bytes(16)}  # of an incident: with it the sample is above its cap


def plus(a: dict, b: dict) -> dict:
    """The sum of two losses, as they are encoded."""
    a, b = units(a), units(b)
    return {"rho": a["rho"] + b["rho"], "delta": (a["delta"] + b["delta"]).to_bytes(16, "big")}


def entered(log: Log, kind: str, body: dict, approving: tuple) -> int:
    index = log.push(kind, **copy.deepcopy(body))
    if approving:
        log.approve(index, *approving)
    return index


def officer(log: Log, n: int, name: str, *approving: int, active=True) -> int:
    return entered(log, "officer", {"public": public(n), "name": name, "active": active}, approving)


def grant(log: Log, *approving: int, by=RISE, **other) -> int:
    old = log.cap()
    body = {"scope": "space:county", "old": old, "new": plus(old, by), "nonce": NONCE, "expires": EXPIRES}
    return entered(log, "grant", {**body, "reason": leaf(b"reason"), **other}, approving)


def review(log: Log, first: int, last: int, *approving: int, **other) -> int:
    body = {"principal": "p-auditor", "from": first, "to": last, "root": root_of(log, last), "note": leaf(b"note")}
    return entered(log, "review", {**body, **other}, approving)


def incident(log: Log, reserve: int, *approving: int, cost=COST, **other) -> int:
    before = log.spent()
    account = {"scope": "space:county", "cap": log.cap(), "before": before, "after": plus(before, cost)}
    body = {"reserve": reserve, "loss": cost, "note": leaf(b"note"), "accounts": [{**account, **other}]}
    return entered(log, "incident", body, approving)


def root_of(log: Log, last: int) -> bytes:
    return root([leaf(encode(entry)) for entry in log.entries[: last + 1]])


def approved_again(log: Log, index: int, **origin) -> Log:
    """The entry's approvals made anew, by those who made them."""
    officers = [NAMES[approval["officer"]] for approval in log.entries[index]["body"]["approvals"]]
    return log.approve(index, *officers, **origin)


def reviewed_again(log: Log, changed: int, **origin) -> Log:
    """After a change, the reviews behind it with the roots that there are now."""
    leaves = []
    for index, entry in enumerate(log.entries):
        if index > changed and entry["kind"] == "review":
            log.entries[index] = entry = copy.deepcopy(entry)
            entry["body"]["root"] = root(leaves[: entry["body"]["to"] + 1])
            if "approvals" in entry["body"]:
                approved_again(log, index, **origin)
        leaves.append(leaf(encode(entry)))
    return log


def governed(log=None) -> tuple:
    """Officers; incidents, of which the second takes the purse above its cap; grants that raise it, and a reserve;
    reviews; an officer who goes. The log, and where these are."""
    log, at = log or sample(), {}
    policy = max(index for index, entry in enumerate(log.entries) if entry["kind"] == "policy")
    at["ana"] = officer(log, ANA, "ana")
    at["bo"] = officer(log, BO, "bo")
    at["cy"] = officer(log, CY, "cy", ANA, BO)
    at["eve"] = officer(log, EVE, "eve", ANA, CY)
    at["first grant"] = grant(log, ANA, CY, by={"rho": 1 << 30, "delta": bytes(16)}, nonce=bytes(16))
    at["early"] = incident(log, 20, cost={"rho": 0, "delta": (5).to_bytes(16, "big")})
    at["incident"] = incident(log, 16, ANA)
    at["grant"] = grant(log, ANA, BO)
    at["reserve"] = log.reserve(16, policy=policy)
    at["review"] = review(log, 2, at["reserve"])
    at["approved"] = review(log, 0, at["review"], CY)
    at["end"] = officer(log, BO, "bo", ANA, BO, active=False)
    return log, at
