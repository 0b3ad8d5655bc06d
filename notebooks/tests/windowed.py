"""A log with windows: limits in periods that officers open, behind the log of officers."""

import copy

from governed import ANA, CY, EXPIRES, entered, governed, grant
from support import leaf, settle, units
from test_limits import limit

WEEK = 1_790_000_000 // 604_800
NOTHING = {"rho": 0, "delta": bytes(16)}
HERS = {"rho": 1 << 38, "delta": (1 << 50).to_bytes(16, "big")}


def times(loss: dict, n: int) -> dict:
    loss = units(loss)
    return {"rho": n * loss["rho"], "delta": (n * loss["delta"]).to_bytes(16, "big")}


def this_week(share: str, name: str) -> str:
    return f"{share}/604800/{WEEK}:{name}"


EVERYBODY = this_week("space", "county")


def window(log, scope: str, old: dict, new: dict, nonce: int, *approving: int, **other) -> int:
    body = {"scope": scope, "old": old, "new": new, "nonce": bytes([nonce]) * 16, "expires": EXPIRES}
    return entered(log, "grant", {**body, "reason": leaf(b"reason"), **other}, approving or (ANA, CY))


def charged(log, policy: int, cap: dict, n: int) -> int:
    """A reserve of which `n` stand in the windows before it, and its release."""
    reserve = log.reserve(16, policy=policy)
    body = log.entries[reserve]["body"]
    settle(body)
    moved = {"before": times(body["loss"], n), "after": times(body["loss"], n + 1)}
    body["accounts"] = body["accounts"][:1]
    for scope, most in ((EVERYBODY, cap), (this_week("analyst", body["principal"]), HERS)):
        body["accounts"].append({"scope": scope, "cap": dict(most), **copy.deepcopy(moved)})
    log.push("release", reserve=reserve, answer=bytes(32))
    return reserve


def windowed(log=None) -> tuple:
    """A policy whose window of everybody is closed; it is opened and charged, the purse is raised, the window widened and
    charged again; that of one analyst is raised, and nothing is charged to it. The log, and where these are."""
    log, at = governed(log)
    one, two = (times(log.entries[16]["body"]["loss"], n) for n in (1, 2))
    limits = [limit("space", NOTHING, seconds=604_800), limit("analyst", HERS, seconds=604_800)]
    at["windows"] = log.push("policy", version=200, sha256=bytes(32), query_rho=1 << 60, limits=limits)
    at["opened"] = window(log, EVERYBODY, NOTHING, one, 20)
    at["first"] = charged(log, at["windows"], one, 0)
    at["raised"] = grant(log, ANA, CY, by={"rho": 1 << 20, "delta": bytes(16)}, nonce=bytes([21]) * 16)
    at["widened"] = window(log, EVERYBODY, one, two, 22)
    at["second"] = charged(log, at["windows"], two, 1)
    at["unused"] = window(log, this_week("analyst", "p-9"), HERS, {**HERS, "rho": HERS["rho"] + 5}, 23)
    return log, at
