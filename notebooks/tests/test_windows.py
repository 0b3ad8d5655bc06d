"""Rules G1 and B3 of windows: accounts of limits in one of their periods, which officers open, each broken by hand."""

import unittest

import verdict
from governed import ANA, BO, CY, EVE, EXPIRES, approved_again, grant, reviewed_again
from salus_verify.windows import still_counts, window as parts
from support import units
from test_limits import limit
from windowed import EVERYBODY, HERS, NOTHING, WEEK, charged, this_week, times, window, windowed


def plus(loss: dict, **more) -> dict:
    rho, delta = units(loss).values()
    return {"rho": rho + more.get("rho", 0), "delta": (delta + more.get("delta", 0)).to_bytes(16, "big")}


class Windows(verdict.Case):
    def setUp(self):
        super().setUp()
        self.log, self.at = windowed()
        self.price = self.log.entries[16]["body"]["loss"]
        self.two = times(self.price, 2)

    def changed(self, name, *where_and_new):
        """The entry `name` with some items changed, and approved again by those who did before."""
        log, index = self.log, self.at[name]
        for where, new in where_and_new:
            log = log.put(index, where, new)
        if "approvals" in log.entries[index]["body"]:
            approved_again(log, index)
        return log

    def more(self, scope=EVERYBODY, old=None, new=None, nonce=30, approving=(), **other):
        """One more grant of a window, and where it fails."""
        log = self.log.clone()
        old = self.two if old is None else old
        index = window(log, scope, old, self.log.cap() if new is None else new, nonce, *approving, **other)
        return log, f"G1@{index}"

    def test_sound(self):
        report = self.expect(self.log)
        self.assertEqual(report.books.purse.cap, units(self.log.cap()))
        caps = {scope: cap for scope, cap, *_ in report.books.limits.totals}
        self.assertEqual(caps[EVERYBODY], units(self.two))
        self.assertEqual(caps[this_week("analyst", "p-9")]["rho"], HERS["rho"] + 5)
        self.expect(self.more()[0])

    def test_an_account_states_what_was_granted(self):
        cap = ("body", "accounts", 1, "cap")
        for name, wrong in (("first", NOTHING), ("first", self.two), ("second", self.price), ("second", self.log.cap())):
            self.expect(self.changed(name, (cap, dict(wrong))), f"B3@{self.at[name]}")
        first, widened = f"B3@{self.at['first']}", f"G1@{self.at['widened']}"
        self.expect(self.changed("opened", (("body", "new"), plus(self.price, rho=1))), first, widened)
        # The window names the purse, or tomorrow: what follows is held against what it says.
        tomorrow = f"space/604800/{WEEK + 1}:county"
        self.expect(self.changed("opened", (("body", "scope"), tomorrow)), first, widened)
        log = self.log.clone()
        beyond = charged(log, self.at["windows"], self.two, 2)
        self.expect(log, f"B3@{beyond}")

    def test_the_scope_is_an_account_of_a_limit_in_force(self):
        of = lambda scope: self.changed("unused", (("body", "scope"), scope))  # noqa: E731
        finding = f"G1@{self.at['unused']}"
        for name in ("p-8", "", "a:b", "a/b"):
            self.expect(of(this_week("analyst", name)))
        week = f"analyst/604800/{WEEK}"
        wrong = [EVERYBODY, this_week("space", "state"), this_week("space", ""), this_week("purpose", "PUBHLTH"), this_week("Analyst", "p-9")]
        wrong += ["analyst:p-9", "analyst", "", "space:county", week, f"analyst/604800/0{WEEK}:p-9", f"analyst/0604800/{WEEK}:p-9"]
        wrong += [f"analyst/604800/{WEEK}/0:p-9", f"analyst/86400/{WEEK}:p-9", f"analyst/604800/+{WEEK}:p-9", f"analyst/604800/{WEEK}\n:p-9"]
        wrong += [f"analyst/604800/{chr(0x0661)}:p-9", f"analyst/604800/{1 << 64}:p-9"]
        for scope in wrong:
            self.expect(of(scope), finding)

    def test_the_period_is_this_one_or_a_later_one(self):
        of = lambda period: self.changed("unused", (("body", "scope"), f"analyst/604800/{period}:p-9"))  # noqa: E731
        last = (1 << 64) // 604_800 - 1
        for period in (WEEK, WEEK + 1, last):
            self.expect(of(period))
        for period in (0, WEEK - 1, last + 1, (1 << 64) - 2, (1 << 64) - 1):
            self.expect(of(period), f"G1@{self.at['unused']}")
        end, late = (WEEK + 1) * 604_800, (("body", "expires"), (1 << 64) - 1)
        self.expect(self.changed("unused", late, (("time",), end - 1)))
        self.expect(self.changed("unused", late, (("time",), end)), f"G1@{self.at['unused']}")

    def test_from_the_cap_in_force_up_to_that_of_the_purse(self):
        cap = self.log.cap()
        self.expect(self.more(new=plus(self.two, rho=1))[0])
        self.expect(self.more(new=plus(self.two, delta=1))[0])
        for old, new in (
            (self.price, cap),
            (NOTHING, cap),
            (self.two, self.two),
            (self.two, {**cap, "rho": self.two["rho"] - 1}),
            (self.two, plus(cap, rho=1)),
            (self.two, plus(cap, delta=1)),
        ):
            self.expect(*self.more(old=old, new=new))
        # A policy may have a limit above the purse: what is not raised stays as it is.
        wide = {"rho": 1, "delta": (1 << 80).to_bytes(16, "big")}
        log = self.log.clone()
        log.push("policy", version=201, sha256=bytes(32), query_rho=1, limits=[limit("space", wide, seconds=604_800)])
        last = window(log, EVERYBODY, wide, {**wide, "rho": cap["rho"]}, 30)
        self.expect(log)
        log = log.put(last, ("body", "new", "rho"), cap["rho"] + 1)
        self.expect(approved_again(log, last), f"G1@{last}")

    def test_time_nonce_and_officers(self):
        self.expect(*self.more(expires=EXPIRES - 61))
        for nonce in (20, 21, 22, 23):
            self.expect(*self.more(nonce=nonce))
        self.expect(*self.more(**{"nonce": 0}))
        self.expect(self.more(approving=(CY, EVE))[0])
        for approving, finding in (((ANA, BO), "A1"), ((ANA, ANA), "A1"), ((ANA,), "F1")):
            log, name = self.more(approving=approving)
            self.expect(log, name.replace("G1", finding))
        moved, name = self.more()
        index = len(moved.entries) - 1
        self.expect(moved.put(index, ("body", "scope"), this_week("analyst", "p-8")).put(index, ("body", "old"), HERS), name.replace("G1", "A1"))

    def test_a_new_policy_begins_anew(self):
        log = self.log.clone()
        log.push("policy", version=201, sha256=bytes(32), query_rho=1, limits=[limit("space", NOTHING, seconds=604_800)])
        last = window(log, EVERYBODY, self.two, self.log.cap(), 30)
        self.expect(log, f"G1@{last}")
        self.expect(approved_again(log.put(last, ("body", "old"), NOTHING), last))
        hers = window(log, this_week("analyst", "p-9"), HERS, self.log.cap(), 31)
        self.expect(log, f"G1@{last}", f"G1@{hers}")

    def test_one_that_fails_counts_as_it_says_and_for_its_account_alone(self):
        above = plus(self.log.cap(), rho=1)
        log, finding = self.more(old=NOTHING, new=above)
        charged(log, self.at["windows"], above, 2)
        grant(log, ANA, CY, by={"rho": 1, "delta": bytes(16)}, nonce=b"\1" * 16)
        charged(log, self.at["windows"], above, 3)
        self.expect(log, finding)
        # One of the purse that fails leaves the window as it was.
        log = self.log.clone()
        wrong = grant(log, ANA, CY, old=NOTHING, nonce=b"\1" * 16, by={"rho": 1, "delta": bytes(16)})
        window(log, EVERYBODY, self.two, log.cap(), 30)
        self.expect(log, f"G1@{wrong}")

    def test_after_an_entry_that_cannot_be_read(self):
        for name in ("opened", "raised", "widened", "unused"):
            index = self.at[name]
            self.expect(reviewed_again(self.log.put(index, ("v",), 2), index), f"F1@{index}")
        index = self.at["raised"]
        hidden = self.log.put(index, ("v",), 2)
        del hidden.entries[index + 1 :]
        ceiling = self.log.entries[0]["body"]["ceiling"]
        last = window(hidden, this_week("analyst", "p-8"), HERS, {**HERS, "rho": ceiling["rho"]}, 30)
        self.expect(hidden, f"F1@{index}")
        log = hidden.put(last, ("body", "new", "rho"), ceiling["rho"] + 1)
        self.expect(approved_again(log, last), f"F1@{index}", f"G1@{last}")


class Names(unittest.TestCase):
    def test_a_period_that_has_ended_does_not_count(self):
        never = "analyst/10/18446744073709551615:ada"
        for scope, counts in (("analyst:ada", True), ("analyst/10/6:ada", False), ("analyst/10/7:ada", True), (never, True), ("ada", True)):
            self.assertEqual(still_counts(scope, 70), counts, scope)
        self.assertEqual(parts("analyst/10/6:a:b"), ("analyst", 10, 70, "a:b"))
        self.assertEqual(parts("analyst/10/6"), ("analyst", 10, 70, None))
        self.assertIsNone(parts(never)[2])


if __name__ == "__main__":
    unittest.main()
