"""Each rule, broken by hand in a log that is otherwise right, hashed and signed by the right key."""

import copy
import unittest
from fractions import Fraction
from math import ceil

import support
import verdict
from salus_verify.tail import least_delta
from support import KINDS, SIGMA, THRESHOLD, UNKNOWN_L0, rational, sample, settle, tail
from verdict import named

CERTIFICATE = ("body", "certificate")
RICH = 29  # the reserve with every rule and aggregate, and keys that are not public
LAST = 31  # the last reserve of the sample; nothing follows its total


def delta(units: int) -> bytes:
    return units.to_bytes(16, "big")


def fraction(pair: list) -> Fraction:
    return Fraction(*(int.from_bytes(each, "big") for each in pair))


class Rules(unittest.TestCase):
    def setUp(self):
        self.before, self.cases = verdict.compared, 0

    def tearDown(self):
        self.assertGreater(self.cases, 0)
        self.assertEqual(verdict.compared - self.before, self.cases if verdict.PROGRAM else 0)

    def expect(self, log, *findings, **options):
        self.cases += 1
        report = verdict.verdict(log.evidence(**options), self.id())
        self.assertEqual(named(report), sorted(findings), [str(finding) for finding in report.findings])

    def test_f1(self):
        self.expect(sample().put(8, ("v",), 2), "F1@8")
        self.expect(sample().put(8, ("kind",), "promise"), "F1@8")
        # An entry has at most 65,535 bytes; so long a text has two bytes more in its head.
        long = 65_535 - len(support.encode(sample().put(8, ("body", "rule"), "").entries[8])) - 2
        self.expect(sample().put(8, ("body", "rule"), "x" * long))
        self.expect(sample().put(8, ("body", "rule"), "x" * (long + 1)), "F1@8")
        for field in ("steps", "releases", "mechanisms"):
            self.expect(sample().put(12, CERTIFICATE + (field,), []), "F1@12")
        self.expect(sample().put(12, ("body", "accounts"), []), "F1@12")
        for bound in ("rows_per_person", "groups_per_person"):
            self.expect(sample().put(12, CERTIFICATE + ("releases", 0, bound), 0), "F1@12")
        self.expect(sample().put(12, CERTIFICATE + ("mechanisms", 0, "values"), 0), "F1@12")
        for minimum, tau in ((0, 105), (5, 4)):
            threshold = {"minimum": minimum, "tau": tau}
            self.expect(sample().put(RICH, CERTIFICATE + ("mechanisms", 4, "threshold"), threshold), f"F1@{RICH}")
        sigma = CERTIFICATE + ("mechanisms", 0, "sigma")
        for pair in ([b"\2", b"\2"], [b"", b"\2"], [b"\1", b""], [b"\0\1", b"\1"], [b"\1"], [b"\1", b"\1", b"\1"]):
            self.expect(sample().put(12, sigma, pair), "F1@12")
        # The longest number that is read, and one byte more.
        self.expect(sample().put(12, sigma, [b"\1" * 1024, b"\1"]), "P4@12")
        self.expect(sample().put(12, sigma, [b"\1" * 1025, b"\1"]), "F1@12")
        self.expect(sample().put(12, ("body", "loss", "delta"), delta((1 << 80) + 1)), "F1@12")
        self.expect(sample().put(12, ("body", "loss", "delta"), bytes(15)), "F1@12")
        self.expect(sample().put(30, ("body", "reason"), "refunded"), "F1@30")
        self.expect(sample().put(1, ("body", "public"), bytes(31)), "F1@1", *self._unsigned())

    @staticmethod
    def _unsigned():
        """The first key cannot be read: no key is in force below the second key entry."""
        return [f"T2@{index}" for index in range(1, 26)]

    def test_f2(self):
        log = sample()
        again = log.push("genesis", **copy.deepcopy(log.entries[0]["body"]))
        self.expect(log, f"F2@{again}")
        genesis = lambda name, new: sample().put(0, ("body",) + name, new)  # noqa: E731
        cap = sample().entries[0]["body"]["cap"]
        units = int.from_bytes(cap["delta"], "big")
        self.expect(genesis(("adjacency",), "one-row"), "F2@0")
        self.expect(genesis(("ceiling", "rho"), cap["rho"]))
        self.expect(genesis(("ceiling", "rho"), cap["rho"] - 1), "F2@0")
        self.expect(genesis(("ceiling", "delta"), delta(units)))
        self.expect(genesis(("ceiling", "delta"), delta(units - 1)), "F2@0")
        self.expect(genesis(("ceiling", "delta"), delta((1 << 80) - 1)))
        self.expect(genesis(("ceiling", "delta"), delta(1 << 80)), "F2@0")
        self.expect(support.Log(log.entries[:2]))
        swapped = support.Log([log.entries[1], log.entries[0]])
        self.expect(swapped, "F2@0", "F2@1", origin="x")
        late = sample()
        late.entries.insert(1, copy.deepcopy(late.entries[8]))
        # The first key comes too late, and none before it could have signed it.
        self.expect(support.Log(late.entries[:3], [3]), "F2@1", "K1@2")

    def test_f3_what_a_reserve_cites(self):
        wrong = {
            "dataset": [12, 99, 2**64 - 1, 3, 23],
            "snapshot": [29, 2, 25],
            "catalog": [2, 3, 24],
            "policy": [4, 9, 14],
        }
        for field, indexes in wrong.items():
            for index in indexes:
                self.expect(sample().put(12, CERTIFICATE + (field,), index), "F3@12")
        # A snapshot need not be the newest.
        self.expect(sample().put(12, CERTIFICATE + ("snapshot",), 5))
        self.expect(sample().put(2, ("body", "space"), "state"), "F3@2")
        # Dataset, snapshot and catalog of one name; all that cite the odd one fail.
        of_main = [f"F3@{index}" for index in (12, 14, 16, 18, 20, 21, 29, 31)]
        self.expect(sample().put(11, ("body", "dataset"), "claims"), *of_main)
        self.expect(sample().put(2, ("body", "dataset"), "other"), "F3@6", *of_main)

    def test_f3_what_an_ending_cites(self):
        for index in (8, 26, 28, 31, 2**64 - 1):
            self.expect(sample().put(28, ("body", "reserve"), index), "F3@28")

    def test_what_cannot_be_read_is_not_held_against_those_that_cite_it(self):
        for index in (2, 3, 4, 5, 6, 9, 10, 11, 12):
            self.expect(sample().put(index, ("v",), 2), f"F1@{index}")
        # It may have been the newest.
        self.expect(sample().put(10, ("v",), 2).put(12, CERTIFICATE + ("policy",), 4), "F1@10")
        self.expect(sample().put(9, ("v",), 2).put(12, CERTIFICATE + ("catalog",), 3), "F1@9")

    def test_p1_and_p2(self):
        step = lambda at, field, new: sample().put(6, CERTIFICATE + ("steps", at, field), new)  # noqa: E731
        for at, field, new in (
            [(3, "rule", word) for word in ("S7", "S0", "s1")]
            + [(4, "rule", "S3"), (4, "rows", 2), (4, "rows", 0)]
            + [(3, "inputs", [position]) for position in (3, 4, 2**64 - 1)]
            + [(2, "inputs", []), (0, "inputs", [0])]
            + [(2, "table", "patient"), (4, "table", "patient")]
        ):
            self.expect(step(at, field, new), "P1@6")
        scan = sample()
        del scan.entries[6]["body"]["certificate"]["steps"][1]["table"]
        self.expect(scan, "P1@6")
        # Without an input S1 is neither a scan nor narrower than its one input.
        self.expect(step(3, "inputs", []), "P1@6", "P2@6")
        self.expect(step(3, "rows", 99_999))
        self.expect(step(3, "rows", 100_001), "P2@6")
        # 0 is no bound, above every number; and any number is below an input without a bound.
        self.expect(step(3, "rows", 0), "P2@6")
        self.expect(step(2, "rows", 0))
        self.expect(step(3, "inputs", [1, 2]), "P2@6")
        # What is released is not read, and each release is named in its place.
        self.expect(step(3, "rule", "RELEASE"), "P1@6")
        rich = lambda at, field, new: sample().put(RICH, CERTIFICATE + ("steps", at, field), new)  # noqa: E731
        self.expect(rich(6, "rule", "S3"), f"P1@{RICH}")
        self.expect(rich(7, "inputs", [5, 6]), f"P1@{RICH}")
        releases = sample().entries[6]["body"]["certificate"]["releases"]
        named_at = lambda field, new: sample().put(RICH, CERTIFICATE + ("releases", 0, field), new)  # noqa: E731
        self.expect(named_at("step", 4), f"P1@{RICH}")
        self.expect(named_at("step", 9), f"P1@{RICH}")
        self.expect(sample().put(6, CERTIFICATE + ("releases",), releases[:1] * 2), "P1@6")
        behind = sample()
        behind.entries[6]["body"]["certificate"]["steps"] += [
            {"rule": "S0", "op": "scan", "inputs": [], "rows": 1, "table": "patient"}
        ]
        self.expect(behind, "P1@6")
        # S5 and S8 narrow, S6 holds no more than its branches together; 0 in a branch is no bound.
        for at, most in ((1, 500), (3, 300), (4, 302), (8, 2**64 - 1)):
            self.expect(rich(at, "rows", most))
        for at, more in ((1, 501), (3, 301), (4, 303), (1, 0), (3, 0), (4, 0)):
            self.expect(rich(at, "rows", more), f"P2@{RICH}")
        for at in (1, 3):
            self.expect(rich(at, "inputs", [0, 0]), f"P2@{RICH}")
        unbounded = rich(2, "rows", 0).put(RICH, CERTIFICATE + ("steps", 3, "rows"), 0)
        self.expect(unbounded.put(RICH, CERTIFICATE + ("steps", 4, "rows"), 0))
        # Joins may multiply.
        self.expect(step(2, "rows", 2**64 - 1))
        self.expect(step(1, "rule", "S0p"))

    def priced(self, change, fit=True):
        """The last reserve with its one mechanism changed, its price and the account made to fit."""
        log = sample()
        body = log.entries[LAST]["body"]
        release, mechanism = body["certificate"]["releases"][0], body["certificate"]["mechanisms"][0]
        change(mechanism, release)
        body["certificate"]["steps"][-1]["rows"] = release["rows_per_person"]
        sigma = fraction(mechanism["sigma"])
        if fit:
            mechanism["rho"] = ceil(2**40 * fraction(mechanism["sensitivity2"]) / (2 * sigma * sigma))
        settle(body)
        return log

    def test_p3(self):
        def aggregate(name, bound, k, l0, s2, sigma=Fraction(9000)):
            def change(mechanism, release):
                mechanism.update(aggregate=name, bound=bound)
                mechanism.update(sensitivity2=rational(Fraction(s2)), sigma=rational(sigma))
                release.update(rows_per_person=k, groups_per_person=l0)

            return self.priced(change)

        for right in (
            ("persons", 1, 3, 2, 2),
            ("rows", 1, 3, 2, 18),
            ("sum", 7, 3, 2, 882),
            ("values", 1, 3, 2, 18),
            ("centred_sum", 7, 3, 2, 882),
            ("centred_square", 7, 3, 2, 882),
            ("tree", 7, 3, 2, 126),
        ):
            self.expect(aggregate(*right))
            name, bound, k, l0, s2 = right
            self.expect(aggregate(name, bound, k, l0, s2 + 1), f"P3@{LAST}")
            self.expect(aggregate(name, bound, k, l0, Fraction(s2) - Fraction(1, 3)), f"P3@{LAST}")
        # Counts have bound 1, even where the sensitivity fits.
        self.expect(aggregate("persons", 2, 3, 2, 2), f"P3@{LAST}")
        self.expect(aggregate("rows", 2, 3, 2, 72), f"P3@{LAST}")
        self.expect(aggregate("values", 2, 3, 2, 72), f"P3@{LAST}")
        # A count of rows passed off as one of persons is cheaper.
        self.expect(aggregate("rows", 1, 3, 2, 2), f"P3@{LAST}")
        # Near 2^64 the square is beyond every machine integer and still exact.
        wide = (2**64 - 1) ** 4 * 2
        enough = Fraction(2**140)
        self.expect(aggregate("sum", 2**64 - 1, 2**64 - 1, 2, wide, enough))
        self.expect(aggregate("sum", 2**64 - 1, 2**64 - 1, 2, wide - 1, enough), f"P3@{LAST}")

    def test_p3_who_decides_which_groups_are_answered(self):
        change = lambda *where, new: sample().put(RICH, CERTIFICATE + where, new)  # noqa: E731
        self.expect(change("releases", 0, "cells", new=0), f"P3@{RICH}")
        self.expect(change("releases", 1, "cells", new=9), f"P3@{RICH}")
        self.expect(change("mechanisms", 0, "release", new=2), f"P3@{RICH}")
        self.expect(change("mechanisms", 0, "values", new=2), f"P3@{RICH}")
        self.expect(change("mechanisms", 5, "values", new=2))
        # One mechanism of persons, and no other.
        none, other, two = sample(), sample(), sample()
        mechanisms = none.entries[RICH]["body"]["certificate"]["mechanisms"]
        del mechanisms[4]["threshold"]
        mechanisms[4]["delta"] = delta(0)
        settle(none.entries[RICH]["body"])
        self.follow(none)
        self.expect(none, f"P3@{RICH}")
        mechanisms = other.entries[RICH]["body"]["certificate"]["mechanisms"]
        del mechanisms[4]["threshold"]
        mechanisms[4]["delta"] = delta(0)
        mechanisms[5]["threshold"] = {"minimum": 5, "tau": 900}
        mechanisms[5]["delta"] = delta(tail(UNKNOWN_L0, 5, 900, Fraction(90)))
        settle(other.entries[RICH]["body"])
        self.follow(other)
        self.expect(other, f"P3@{RICH}")
        mechanisms = two.entries[RICH]["body"]["certificate"]["mechanisms"]
        del mechanisms[5]
        mechanisms.append(copy.deepcopy(mechanisms[4]))
        settle(two.entries[RICH]["body"])
        self.follow(two)
        self.expect(two, f"P3@{RICH}")

    @staticmethod
    def follow(log):
        """The last reserve begins with what the one before it says."""
        body = log.entries[LAST]["body"]
        body["accounts"][0]["before"] = copy.deepcopy(log.entries[RICH]["body"]["accounts"][0]["after"])
        settle(body)

    def test_p4_the_delta_of_a_threshold(self):
        def with_threshold(change, units, **more):
            log = sample()
            body = log.entries[RICH]["body"]
            mechanism = body["certificate"]["mechanisms"][4]
            mechanism.update(more, delta=delta(units), threshold={**THRESHOLD, **change})
            s2, sigma = fraction(mechanism["sensitivity2"]), fraction(mechanism["sigma"])
            mechanism["rho"] = ceil(2**40 * s2 / (2 * sigma * sigma))
            settle(body)
            self.follow(log)
            return log

        right = tail(UNKNOWN_L0, **THRESHOLD, sigma=SIGMA)
        self.assertGreater(right, 10**9)
        self.expect(with_threshold({}, right))
        self.expect(with_threshold({}, right + 1))  # more than needed
        self.expect(with_threshold({}, right - 1), f"P4@{RICH}")
        self.expect(with_threshold({"tau": 106}, right))
        self.expect(with_threshold({"tau": 104}, right), f"P4@{RICH}")
        self.expect(with_threshold({"minimum": 6}, right), f"P4@{RICH}")
        # To the unit, over the whole range of tau and sigma.
        cap = int.from_bytes(sample().entries[0]["body"]["cap"]["delta"], "big")
        before = int.from_bytes(sample().entries[RICH]["body"]["accounts"][0]["before"]["delta"], "big")
        narrow = [(30, SIGMA), (60, SIGMA), (105, Fraction(101, 7)), (125, SIGMA)]
        wide = [(5000, Fraction(700)), (10**6, Fraction(10**5)), (2**64 - 1, Fraction(2**61))]
        for tau, sigma in narrow + wide:
            price = tail(UNKNOWN_L0, 5, tau, sigma)
            change, noise = {"tau": tau}, {"sigma": rational(sigma)}
            self.assertTrue(0 < price <= 2**80, (tau, sigma))
            over_cap = [f"B1@{RICH}", f"B1@{LAST}"] if before + price > cap else []
            self.expect(with_threshold(change, price, **noise), *over_cap)
            self.expect(with_threshold(change, price - 1, **noise), f"P4@{RICH}", *over_cap)
        # With hardly any noise the chance is not divided by its spread; such a count is dear beyond every limit.
        price, noise = tail(UNKNOWN_L0, 5, 6, Fraction(1, 4)), {"sigma": rational(Fraction(1, 4))}
        dear = [f"P5@{RICH}", f"B1@{RICH}", f"B1@{LAST}"]
        self.expect(with_threshold({"tau": 6}, price, **noise), *dear)
        self.expect(with_threshold({"tau": 6}, price - 1, **noise), f"P4@{RICH}", *dear)
        # Far out nothing is left of it.
        for tau, sigma in ((400, SIGMA), (2**64 - 1, SIGMA), (2**64 - 1, Fraction(2**50))):
            self.assertEqual(tail(UNKNOWN_L0, 5, tau, sigma), 0)
            self.expect(with_threshold({"tau": tau}, 0, sigma=rational(sigma)))
        # So much noise that the bound says nothing.
        wide = with_threshold({}, 2**79, sigma=rational(Fraction(2**300)))
        self.expect(wide, f"P4@{RICH}", f"B1@{RICH}", f"B1@{LAST}")

    def test_the_delta_by_two_ways_of_computing_it(self):
        seen = set()
        for sigma in (Fraction(1, 9), Fraction(2, 5), Fraction(1), SIGMA, Fraction(10**9, 7), Fraction(2**70, 3)):
            for away in (0, 1, Fraction(1, 2), 3, 6, 9, 11, 15, 16):
                for groups in (1, 4, 2**64 - 1):
                    tau = 5 + int(away * sigma)
                    price = tail(groups, 5, tau, sigma)
                    ours = least_delta(KINDS[0], groups, None, 5, tau, sigma)
                    self.assertEqual(ours, price, (sigma, tau, groups))
                    seen.add((price > 0) + (price == 2**80))
        self.assertEqual(seen, {0, 1, 2})
        for kind in KINDS:
            for sigma in (Fraction(1, 3), Fraction(7, 2), Fraction(200), Fraction(10**7, 3)):
                for away in (0, 1, 5, 25):
                    for spread in ({"unit": 1, "groups": 9}, {"unit": 16, "groups": 40}, {"unit": 2**20, "groups": 4}):
                        tau = 5 + int(away * sigma / spread["unit"])
                        price = tail(4, 5, tau, sigma, kind, spread["unit"], spread["groups"])
                        self.assertEqual(least_delta(kind, 4, spread, 5, tau, sigma), price, (kind, sigma, tau, spread))
        self.expect(sample())

    def test_p4(self):
        def rho(change):
            def apply(mechanism, release):
                mechanism["rho"] += change

            return self.priced(apply, fit=False)

        self.expect(rho(0))
        self.expect(rho(-1), f"P4@{LAST}")
        self.expect(rho(1), f"P4@{LAST}")
        sigma = lambda value: self.priced(lambda m, b: m.update(sigma=rational(value)))  # noqa: E731
        old = fraction(sample().entries[LAST]["body"]["certificate"]["mechanisms"][0]["sigma"])
        self.expect(sigma(2 * old))
        # An exact number of units is not rounded further up.
        s2 = fraction(sample().entries[LAST]["body"]["certificate"]["mechanisms"][0]["sensitivity2"])
        exact = self.priced(lambda m, b: m.update(sigma=rational(Fraction(45_000_000 * 2**5))))
        self.assertEqual(s2, 45_000_000**2)
        self.assertEqual(exact.entries[LAST]["body"]["loss"]["rho"], 2**29)
        self.expect(exact)
        zero = sample().put(LAST, CERTIFICATE + ("mechanisms", 0, "sigma"), rational(Fraction(0)))
        self.expect(zero, f"P4@{LAST}")
        with_delta = sample()
        body = with_delta.entries[LAST]["body"]
        body["certificate"]["mechanisms"][0]["delta"] = delta(1)
        settle(body)
        self.expect(with_delta, f"P4@{LAST}")

    def test_p5(self):
        cost = sample().entries[6]["body"]["loss"]["rho"]
        self.expect(sample().put(4, ("body", "query_rho"), cost))
        self.expect(sample().put(4, ("body", "query_rho"), cost - 1), "P5@6")
        wrong_sum = sample()
        body = wrong_sum.entries[LAST]["body"]
        body["loss"]["rho"] += 1
        body["accounts"][0]["after"]["rho"] += 1
        self.expect(wrong_sum, f"P5@{LAST}")
        delta_too = sample()
        body = delta_too.entries[LAST]["body"]
        body["loss"]["delta"] = delta(1)
        before = int.from_bytes(body["accounts"][0]["before"]["delta"], "big")
        body["accounts"][0]["after"]["delta"] = delta(before + 1)
        self.expect(delta_too, f"P5@{LAST}")
        # A sum that would wrap around 2^64 is no sum.
        wrapped = sample()
        body = wrapped.entries[12]["body"]
        most = {"rho": 2**64 - 1}
        body["certificate"]["mechanisms"][0].update(most)
        self.expect(wrapped, "P4@12", "P5@12")
        # Everything for nothing: the sum of a bound that says that no row changes anything.
        free = self.priced(lambda m, b: m.update(bound=0, sensitivity2=rational(Fraction(0))))
        self.assertEqual(free.entries[LAST]["body"]["loss"]["rho"], 0)
        self.expect(free, f"P5@{LAST}")

    def test_b1(self):
        account = lambda where, new: sample().put(LAST, ("body", "accounts", 0) + where, new)  # noqa: E731
        self.expect(account(("scope",), "space:state"), f"B1@{LAST}")
        self.expect(account(("scope",), "county"), f"B1@{LAST}")
        cap = sample().entries[0]["body"]["cap"]
        self.expect(account(("cap", "rho"), cap["rho"] + 1), f"B1@{LAST}")
        self.expect(account(("before", "rho"), 0), f"B1@{LAST}")
        self.expect(account(("after", "rho"), 0), f"B1@{LAST}")
        self.expect(account(("after", "delta"), delta(1)), f"B1@{LAST}")
        two = sample()
        two.entries[LAST]["body"]["accounts"] *= 2
        self.expect(two, f"B3@{LAST}")

    def test_b1_the_cap_to_the_unit(self):
        def capped(rho):
            log = sample()
            log.entries[0]["body"]["cap"]["rho"] = rho
            for entry in log.entries:
                if entry["kind"] == "reserve":
                    entry["body"]["accounts"][0]["cap"]["rho"] = rho
            return log

        spent = sample().spent()["rho"]
        self.expect(capped(spent))
        self.expect(capped(spent - 1), f"B1@{LAST}")

    def test_b1_a_broken_total_is_reported_once(self):
        # One unit less from 12 on: 12 is at fault, and 14 begins with what 12 says.
        self.expect(sample().put(12, ("body", "accounts", 0, "after", "rho"), 1), "B1@12", "B1@14")
        # Leaving a reserve out does not give its loss back.
        log = sample()
        log.entries[18], log.entries[19] = copy.deepcopy(log.entries[8]), copy.deepcopy(log.entries[8])
        self.expect(log, "B1@20")

    def test_b1_after_an_entry_that_cannot_be_read(self):
        def spending(index, before, hidden=16):
            log = sample().put(hidden, ("v",), 2)
            account = log.entries[index]["body"]["accounts"][0]
            account["before"]["rho"] = before
            account["after"]["rho"] = before + log.entries[index]["body"]["loss"]["rho"]
            return log

        right = sample().entries[18]["body"]["accounts"][0]["before"]["rho"]
        self.expect(spending(18, right), "F1@16")
        # Believed, whatever it is, but not below the total.
        self.expect(spending(18, right + 5), "B1@20", "F1@16")
        self.expect(spending(18, 5), "B1@18", "B1@20", "F1@16")
        # And only the next: a total that jumps later is at fault.
        self.expect(spending(20, right + 10**10), "B1@20", "B1@21", "F1@16")

    def test_b2(self):
        def ended(*endings):
            log = sample()
            for kind, reserve in endings:
                if kind == "abort":
                    log.push("abort", reserve=reserve, reason="failed")
                else:
                    log.push("release", reserve=reserve, answer=bytes(32))
            return log

        self.expect(ended(("release", 20)))
        self.expect(ended(("release", 20), ("release", 20)), "B2@33")
        self.expect(ended(("release", 20), ("abort", 20), ("abort", 20)), "B2@33", "B2@34")
        self.expect(ended(("release", 6)), "B2@32")
        # A late release after an abort, and an abort that would take a release back.
        self.expect(ended(("release", 18)), "B2@32")
        self.expect(ended(("abort", 6)), "B2@32")
        log = ended(("abort", 20))
        report = verdict.verdict(log.evidence())
        self.cases += 1
        self.assertEqual((report.books.open, report.books.purse.spent["rho"]), ([31], sample().spent()["rho"]))


if __name__ == "__main__":
    unittest.main()
