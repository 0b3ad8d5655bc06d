"""Rules G1 and B1: grants and incidents, each broken by hand."""

import unittest

import verdict
from governed import ANA, BO, CY, EXPIRES, NONCE, governed, grant, incident, reviewed_again
from support import units

ONE = {"rho": 1, "delta": bytes(16)}
NONE = {"rho": 0, "delta": bytes(16)}


class Purse(verdict.Case):
    def setUp(self):
        super().setUp()
        self.log, self.at = governed()

    def granted(self, **other):
        """One more grant, and where it fails."""
        log = self.log.clone()
        index = grant(log, ANA, CY, **{"by": ONE, "nonce": b"\1" * 16, **other})
        return log, f"G1@{index}"

    def test_sound(self):
        report = self.expect(self.log)
        self.assertEqual(report.books.purse.cap, units(self.log.cap()))
        self.assertEqual(report.books.purse.spent, units(self.log.spent()))
        self.expect(self.granted()[0])


class Grants(Purse):
    def test_of_the_purse(self):
        self.expect(*self.granted(scope="space:state"))
        self.expect(*self.granted(scope="county"))

    def test_old_is_the_cap_in_force(self):
        first = self.log.entries[0]["body"]["cap"]  # that of the genesis, before the first grant
        higher = {**self.log.cap(), "rho": self.log.cap()["rho"] + 1}
        self.expect(*self.granted(old=first))
        self.expect(*self.granted(old=higher, new={**higher, "rho": higher["rho"] + 1}))

    def test_new_is_above_it_and_below_in_nothing(self):
        cap = self.log.cap()
        self.expect(*self.granted(new=cap))
        self.expect(*self.granted(new={**cap, "rho": cap["rho"] - 1}))
        less = (int.from_bytes(cap["delta"], "big") - 1).to_bytes(16, "big")
        self.expect(*self.granted(new={"rho": cap["rho"] + 1, "delta": less}))

    def test_within_the_ceiling(self):
        ceiling = self.log.entries[0]["body"]["ceiling"]
        self.expect(self.granted(new=ceiling)[0])
        self.expect(*self.granted(new={**ceiling, "rho": ceiling["rho"] + 1}))
        more = (int.from_bytes(ceiling["delta"], "big") + 1).to_bytes(16, "big")
        self.expect(*self.granted(new={**ceiling, "delta": more}))

    def test_in_time(self):
        log, _ = self.granted()
        last = len(log.entries) - 1
        self.expect(log.put(last, ("time",), EXPIRES))
        self.expect(log.put(last, ("time",), EXPIRES + 1), f"G1@{last}")

    def test_no_nonce_comes_twice(self):
        for nonce in (NONCE, bytes(16)):
            self.expect(*self.granted(nonce=nonce))

    def test_one_that_fails_counts_as_it_says(self):
        """It is named once; what follows is held against the cap that it says."""
        for log, finding in (self.granted(nonce=NONCE), self.granted(old=self.log.entries[0]["body"]["cap"])):
            log.reserve(16, policy=10)
            incident(log, 16)
            grant(log, ANA, CY, by=ONE, nonce=b"\2" * 16)
            self.expect(log, finding)

    def test_after_an_entry_that_cannot_be_read(self):
        grant_at, reserve_at = self.at["grant"], self.at["reserve"]
        hidden = lambda: reviewed_again(self.log.put(grant_at, ("v",), 2), grant_at)  # noqa: E731
        self.expect(hidden(), f"F1@{grant_at}")
        # A grant raises, to the ceiling at most; and once a cap was believed, it is in force.
        ceiling = self.log.entries[0]["body"]["ceiling"]["rho"]
        for cap in (1, ceiling + 1):
            wrong = hidden().put(reserve_at, ("body", "accounts", 0, "cap", "rho"), cap)
            self.expect(reviewed_again(wrong, reserve_at), f"F1@{grant_at}", f"B1@{reserve_at}")
        log = hidden()
        last = log.reserve(16, policy=10)
        for cap in (self.log.cap()["rho"] + 1, self.log.entries[0]["body"]["cap"]["rho"]):
            log = log.put(last, ("body", "accounts", 0, "cap", "rho"), cap)
            self.expect(log, f"F1@{grant_at}", f"B1@{last}")


class Incidents(Purse):
    def test_of_an_earlier_reserve(self):
        for reserve in (7, 8, self.at["incident"], 99, 2**64 - 1):
            log = self.log.clone()
            index = incident(log, reserve)
            self.expect(log, f"F3@{index}")
        for reserve in (6, 29, 20):  # that was answered, dropped, left open
            log = self.log.clone()
            incident(log, reserve)
            self.expect(log)
        hidden = reviewed_again(self.log.put(20, ("v",), 2), 20)
        self.expect(hidden, "F1@20")

    def test_it_cost_something(self):
        log = self.log.clone()
        self.expect(log, f"B1@{incident(log, 16, cost=NONE)}")
        log = self.log.clone()
        incident(log, 16, cost={"rho": 0, "delta": bytes(15) + b"\1"})
        self.expect(log)

    def test_the_account(self):
        spent, cap = self.log.spent(), self.log.cap()
        for other in (
            {"scope": "space:state"},
            {"cap": self.log.entries[0]["body"]["cap"]},
            {"cap": {**cap, "rho": cap["rho"] + 1}},
            {"before": NONE, "after": ONE},
            {"before": {**spent, "rho": spent["rho"] + 1}, "after": {**spent, "rho": spent["rho"] + 2}},
            {"after": spent},
        ):
            log = self.log.clone()
            index = incident(log, 16, **{"cost": ONE, **other})
            self.expect(log, f"B1@{index}")
            # The total goes on as it says; the cap is what grants say.
            incident(log, 16)
            self.expect(log, f"B1@{index}")
        two = self.log.clone()
        index = incident(two, 16)
        two.entries[index]["body"]["accounts"] *= 2
        self.expect(two, f"F1@{index}")
        two.entries[index]["body"]["accounts"] = []
        self.expect(two, f"F1@{index}")

    def test_only_it_may_be_above_the_cap(self):
        log = self.log.clone()
        incident(log, 16, cost={"rho": 400 * 10**9, "delta": bytes(16)})
        self.expect(log)
        last = log.reserve(16, policy=10)
        self.expect(log, f"B1@{last}")

    def test_a_reserve_within_the_raised_cap(self):
        """In the sound log one holds; without the grant it would not."""
        at = self.at["grant"]
        log = self.log.clone()
        del log.entries[at:]
        last = log.reserve(16, policy=10)
        self.expect(log, f"B1@{last}")
        log.entries.pop()
        grant(log, ANA, BO)
        log.reserve(16, policy=10)
        self.expect(log)

    def test_a_reserve_names_the_cap_in_force(self):
        at, before = self.at["reserve"], self.log.entries[0]["body"]["cap"]
        log = self.log.put(at, ("body", "accounts", 0, "cap"), before)
        self.expect(reviewed_again(log, at), f"B1@{at}")


del Purse  # its one test runs where it is inherited


if __name__ == "__main__":
    unittest.main()
