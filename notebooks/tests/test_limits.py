"""Rule B3: the policy's limits, kept and broken."""

import copy
import unittest

import verdict
from support import at, sample, settle, units
from verdict import named

DAY = 1_790_000_000 // 86_400
CAP = {"rho": 8 << 40, "delta": (1 << 60).to_bytes(16, "big")}


def limit(of, cap=CAP, **more):
    return {"of": of, "cap": dict(cap), **more}


def limited():
    """The sample, a policy with limits of each share, two reserves with an ending, an answer that is given once more."""
    log = sample()
    who = log.entries[16]["body"]["principal"]
    hers = {**CAP, "rho": CAP["rho"] + 7}
    limits = [
        limit("space", seconds=86_400),
        limit("analyst", {"rho": 1, "delta": bytes(16)}),
        limit("dataset"),
        limit("analyst", hers, name=who),
        limit("purpose", seconds=3_600, name="nobody's"),
        limit("purpose", seconds=86_400),
    ]
    policy = log.push("policy", version=99, sha256=bytes(32), query_rho=1 << 60, limits=limits)
    purpose = log.entries[16]["body"]["purpose"]
    scopes = {
        f"space/86400/{DAY}:county": CAP,
        "dataset:main": CAP,
        f"analyst:{who}": hers,
        f"purpose/86400/{DAY}:{purpose}": CAP,
    }
    spent = {scope: {"rho": 0, "delta": bytes(16)} for scope in scopes}

    def charge(loss, names):
        accounts = []
        for scope in names:
            before, cost = units(spent[scope]), units(loss)
            after = {"rho": before["rho"] + cost["rho"], "delta": (before["delta"] + cost["delta"]).to_bytes(16, "big")}
            accounts.append({"scope": scope, "cap": dict(scopes[scope]), "before": spent[scope], "after": after})
            spent[scope] = after
        return copy.deepcopy(accounts)

    for _ in range(2):
        reserve = log.reserve(16, policy=policy)
        body = log.entries[reserve]["body"]
        settle(body)
        body["accounts"] = body["accounts"][:1] + charge(body["loss"], scopes)
        release = log.push("release", reserve=reserve, answer=bytes(32))
    asked = {name: body[name] for name in ("principal", "roles", "purpose", "question")}
    log.push("reuse", release=release, accounts=charge(body["loss"], [f"analyst:{who}"]), **asked)
    return log, policy


class Limits(unittest.TestCase):
    def setUp(self):
        self.log, self.policy = limited()
        self.first, self.second, self.reuse = self.policy + 1, self.policy + 3, self.policy + 5

    def expect(self, log, *findings):
        report = verdict.verdict(log.evidence(), self.id())
        self.assertEqual(named(report), sorted(findings), [str(finding) for finding in report.findings])
        return report

    def test_sound(self):
        report = self.expect(self.log)
        self.assertEqual([total[3] for total in report.books.limits.totals], [3, 2, 2, 2])

    def test_parts(self):
        """A question counts in each part of a dataset that it reads a table of, as the newest entry of its name has it."""
        log, _ = limited()
        space = log.entries[0]["body"]["space"]
        read = sorted({step["table"] for step in log.entries[16]["body"]["certificate"]["steps"] if "table" in step})
        part = lambda name, tables: log.push("dataset", dataset=name, unit="person_id", space=space, tables=tables)  # noqa: E731
        part("labs", ["of before"])
        labs, outside = part("labs", sorted([read[0], "~"])), part("outside", ["~"])
        policy = log.push("policy", version=100, sha256=bytes(32), query_rho=1 << 60, limits=[limit("dataset")])
        reserve = log.reserve(16, policy=policy)
        body = log.entries[reserve]["body"]
        settle(body)
        cost = units(body["loss"])
        spent = lambda n: {"rho": n * cost["rho"], "delta": (n * cost["delta"]).to_bytes(16, "big")}  # noqa: E731
        account = lambda scope, n: {"scope": scope, "cap": dict(CAP), "before": spent(n), "after": spent(n + 1)}  # noqa: E731
        body["accounts"] = body["accounts"][:1] + [account("dataset:main", 2), account("dataset:labs", 0)]
        self.expect(log)
        self.expect(log.put(outside, ("body", "tables", 0), read[0]), f"B3@{reserve}")
        self.expect(log.put(labs, ("body", "tables"), ["~"]), f"B3@{reserve}")
        self.expect(log.put(labs, ("body", "tables"), []), f"B3@{reserve}")
        self.expect(log.put(outside, ("body", "tables"), []))
        self.expect(log.put(outside, ("body", "tables"), ["b", "a"]), f"F1@{outside}")
        self.expect(log.put(reserve, ("body", "accounts"), body["accounts"][:2]), f"B3@{reserve}")
        self.expect(log.put(reserve, ("body", "certificate", "dataset"), labs), f"B3@{reserve}", f"F3@{reserve}")

    def test_whom_and_when(self):
        first, accounts = self.first, ("body", "accounts")
        self.expect(self.log.put(first, ("body", "principal"), "p-other"), f"B3@{first}")
        self.expect(self.log.put(first, ("body", "purpose"), "nobody's"), f"B3@{first}")
        self.expect(self.log.put(first, ("time",), (DAY + 1) * 86_400 - 1))
        self.expect(self.log.put(first, ("time",), (DAY + 1) * 86_400), f"B3@{first}")
        self.expect(self.log.put(self.reuse, ("body", "principal"), "p-other"), f"B3@{self.reuse}")
        self.expect(self.log.put(self.reuse, ("body", "purpose"), "nobody's"))
        few = at(self.log.entries[self.second], accounts)[:-1]
        self.expect(self.log.put(self.second, accounts, few), f"B3@{self.second}")
        swapped = [at(self.log.entries[self.second], accounts)[n] for n in (0, 2, 1, 3, 4)]
        self.expect(self.log.put(self.second, accounts, swapped), f"B3@{self.second}")

    def test_totals(self):
        account = ("body", "accounts", 3)
        self.expect(self.log.put(self.second, account + ("before", "rho"), 0), f"B3@{self.second}")
        after = at(self.log.entries[self.second], account + ("after", "rho"))
        findings = (f"B3@{self.second}", f"B3@{self.reuse}")
        self.expect(self.log.put(self.second, account + ("after", "rho"), after + 1), *findings)

        def capped(cap):
            log = self.log.put(self.policy, ("body", "limits", 3, "cap", "rho"), cap)
            for index, place in ((self.first, 3), (self.second, 3), (self.reuse, 0)):
                log = log.put(index, ("body", "accounts", place, "cap", "rho"), cap)
            return log

        spent = at(self.log.entries[self.reuse], ("body", "accounts", 0, "after", "rho"))
        self.expect(capped(spent))
        self.expect(capped(spent - 1), f"B3@{self.reuse}")

    def test_what_cannot_be_read(self):
        """It is not held against what follows."""
        self.expect(self.log.put(self.first, ("body", "loss"), True), f"F1@{self.first}")
        self.expect(self.log.put(self.policy, ("body", "limits"), True), f"F1@{self.policy}")

    def test_forms(self):
        space, hers = limit("space", seconds=60), limit("analyst")
        for limits in (
            [],
            [limit("everything")],
            [limit("space")],
            [{**space, "name": "county"}],
            [{**space, "seconds": 0}],
            [hers, limit("analyst", {"rho": 1, "delta": bytes(16)})],
        ):
            log = sample()
            index = log.push("policy", version=99, sha256=bytes(32), query_rho=1 << 60, limits=limits)
            self.expect(log, f"F1@{index}")


if __name__ == "__main__":
    unittest.main()
