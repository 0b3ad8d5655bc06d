"""Rules E1, E2 and E3: how a log opens and ends, each broken by hand. Every line of the table about it is held to its letter."""

import copy
import unittest

import verdict
from governed import ANA, BO, CY, DEE, EVE, governed, plus
from succeeding import FIRST, NEXT, NEXT_KEY, OLD, SECOND, accounts, left, next_log, old, opened_with, seal, signed_again
from support import Log, checkpoint, leaf, public, root, sample, units
from test_fields import field_of, of_succession, other_values, table, walk
from verdict import named

MORE = {"rho": 1, "delta": bytes(16)}


def less(loss):
    return {**loss, "rho": loss["rho"] - 1}


class Succession(verdict.Case):
    @classmethod
    def setUpClass(cls):
        cls.sealed, cls.left = old(), old(sealed=False)
        cls.read = len(cls.left.entries) - 1
        cls.after_seal = next_log(cls.sealed)
        cls.after_loss = next_log(cls.left, cls.read)

    def changed(self, log, index, where, new):
        return signed_again(log.put(index, ("body", *where), new), *([index] if "approvals" in where else []))

    def says(self, where, new, log=None):
        """The genesis says another thing of the log before it."""
        return self.changed(log or self.after_loss, 0, ("predecessor", *where), new)

    def carried(self, log, before, *rules, **options):
        self.expect(log)
        before = before.evidence() if isinstance(before, Log) else before
        self.expect(log, *rules, predecessors=[before], **options)

    def test_sound(self):
        for before, log, read in ((self.sealed, self.after_seal, None), (self.left, self.after_loss, self.read)):
            self.assertEqual(self.expect(before).books.succession.sealed is None, read is not None)
            report = self.expect(log, predecessors=[before.evidence()])
            opening, end = report.books.succession.opening, report.books.succession.sealed
            self.assertEqual((opening["origin"], opening["size"], opening["read"]), (OLD, len(before.entries), read))
            self.assertEqual((opening["spent"], opening["compared"]), (units(before.spent()), True))
            self.assertEqual((end["entry"], end["successor"], end["spent"]), (10, NEXT, units(log.spent())))
            self.assertEqual(sorted(opening["approved_by"]), ["ana", "cy"] if read else [])
            self.assertFalse(self.expect(log).books.succession.opening["compared"])
            self.assertGreater(opening["spent"]["rho"], 0)
            self.assertEqual(len(accounts(before)), 2)

    def test_nothing_follows_a_seal(self):
        log = Log(list(self.after_seal.entries))
        log.push("abort", reserve=6, reason="failed")
        self.expect(log, "B2@11", "E1@11")
        self.expect(log.put(11, ("v",), 2), "E1@11", "F1@11")
        seal(log, "salus.example/other", 8)
        self.expect(log, "B2@11", "E1@11", "E1@12")

    def test_a_seal_says_what_the_log_adds_up_to(self):
        log, hers = self.after_seal, accounts(self.after_seal)
        totals = lambda name, new: self.changed(log, 10, ("totals", name), new)  # noqa: E731
        for spent in (less(log.spent()), plus(log.spent(), MORE)):
            self.expect(totals("spent", spent), "E1@10")
        self.expect(totals("cap", log.entries[0]["body"]["cap"]), "E1@10")
        wrong = [{**hers[0], "spent": less(hers[0]["spent"])}, *hers[1:]]
        other = [{**hers[0], "scope": "analyst:nobody"}, *hers[1:]]
        for limits in (wrong, other, hers[:1], hers[::-1], hers + [{"scope": "purpose:x", "spent": MORE}]):
            self.expect(totals("limits", limits), "E1@10")
        self.expect(totals("limits", []), "F1@10")
        # After what cannot be read, totals that are not below are believed.
        unread = log.put(9, ("v",), 2)
        self.expect(unread, "F1@9")
        more = unread.put(10, ("body", "totals", "spent"), plus(log.spent(), MORE))
        new = [{**each, "spent": plus(each["spent"], MORE)} for each in hers] + [{"scope": "purpose:x", "spent": MORE}]
        self.expect(more.put(10, ("body", "totals", "limits"), new), "F1@9")
        self.expect(unread.put(10, ("body", "totals", "spent"), less(log.spent())), "E1@10", "F1@9")
        self.expect(unread.put(10, ("body", "totals", "limits"), wrong), "E1@10", "F1@9")
        self.expect(unread.put(10, ("body", "totals", "limits"), hers[:1]), "E1@10", "F1@9")

    def test_a_seal_names_somebody_else_in_time_and_by_two(self):
        def end(origin=NEXT, n=NEXT_KEY, by=(ANA, CY)):
            log = Log(list(self.after_seal.entries[:10]))
            seal(log, origin, n, *by)
            return log

        self.expect(end())
        self.expect(end(origin=self.after_seal.origin), "E1@10")
        for taken in (1, 2, SECOND, ANA, EVE):
            self.expect(end(n=taken), "E1@10")
        self.expect(end(by=(ANA, BO)), "A1@10")
        self.expect(end(by=(ANA, DEE)), "A1@10")
        self.expect(end(by=(ANA,)), "F1@10")
        time = self.after_seal.entries[10]["time"]
        self.expect(self.changed(self.after_seal, 10, ("expires",), time))
        self.expect(self.changed(self.after_seal, 10, ("expires",), time - 1), "E1@10")

    def test_periods_that_have_ended_do_not_go_on(self):
        log = old(sealed=False)
        index = seal(log, NEXT, NEXT_KEY)
        log.sizes = [12, len(log.entries)]
        self.expect(signed_again(log))
        # In the same day they would.
        log.entries[index]["time"] = 1_790_000_000
        self.expect(signed_again(log), f"E1@{index}")

    def test_what_a_genesis_says_holds_together(self):
        log, leaves = self.after_loss, [leaf(data) for data in self.left.evidence().entries]
        size = len(leaves)
        note = lambda origin, size, n: checkpoint(origin, size, root(leaves), n)  # noqa: E731
        self.expect(self.says(("checkpoint",), note(OLD, size, SECOND)))
        for data in (note(OLD, self.read - 1, SECOND), note(OLD, size, FIRST), note(log.origin, size, SECOND), b""):
            self.expect(self.says(("checkpoint",), data), "E2@0")
        self.expect(self.says(("origin",), log.origin), "E2@0")
        for read, rules in ((2, ()), (size, ()), (1, ("E2@0",)), (0, ("E2@0",)), (size + 1, ("E2@0",))):
            self.expect(self.says(("read",), read), *rules)
        self.expect(self.says(("successor",), public(3)), "E2@1")
        self.expect(self.says(("successor",), public(ANA)), "E2@0", "E2@1")
        officers = log.entries[0]["body"]["predecessor"]["officers"]
        self.expect(self.says(("officers",), officers[:1]), "F1@0", *named_after_f1(self.says(("officers",), officers[:1])))
        for wrong in (officers[::-1], officers + officers[-1:], [*officers[:2], {**officers[2], "name": officers[0]["name"]}]):
            self.expect(self.says(("officers",), wrong), "E2@0")
        limits = log.entries[0]["body"]["predecessor"]["limits"]
        self.expect(self.says(("limits",), limits + limits[-1:]), "E2@0")
        self.expect(self.says(("limits",), limits[::-1]), "E2@0")

    def test_who_approves_that_a_lost_log_goes_on(self):
        def by(*officers):
            log = Log(list(self.after_loss.entries))
            log.entries[0] = copy.deepcopy(log.entries[0])
            return log.approve(0, *officers)

        self.expect(by(ANA, EVE))
        for officers in ((ANA, BO), (ANA, DEE), (ANA, 1)):
            self.expect(by(*officers), "A1@0")
        sealed = Log(list(self.after_seal.entries))
        sealed.entries[0] = copy.deepcopy(sealed.entries[0])
        nobody = Log(copy.deepcopy(self.after_loss.entries))
        del nobody.entries[0]["body"]["approvals"]
        for log in (by(ANA), sealed.approve(0, ANA, CY), nobody):
            self.assertIn("F1@0", named(self.expect(log, "F1@0", *named_after_f1(log))))

    def test_officers_go_on_as_officers(self):
        log = Log(list(self.after_seal.entries[:10]))
        log.push("officer", public=public(DEE), name="dee", active=True)
        self.expect(log, "O1@10")
        self.expect(log.approve(10, ANA, EVE))
        again = log.push("officer", public=public(SECOND), name="old", active=True)
        self.expect(log.approve(again, ANA, CY), "O1@11")

    def test_no_officers_key_becomes_the_logs(self):
        for n in (ANA, BO):  # one is active, one has gone
            log, _ = governed(sample())
            last = log.push("key", public=public(n))
            log.endorse(last, 2)
            signer = lambda size: n if size > last else 2 if size > 26 else 1  # noqa: B023, E731
            self.expect(log.evidence(signer=signer), f"K1@{last}")
        log = Log(list(self.after_seal.entries))
        log.entries[8] = {**log.entries[8], "body": {"public": public(EVE)}}
        log.endorse(8, 1)
        self.expect(log.evidence(signer=lambda size: EVE if size > 8 else 1), "K1@8")

    def test_a_sealed_log_is_carried_to_the_letter(self):
        log, before = self.after_seal, self.sealed
        self.carried(log, before)
        spent = before.spent()
        for other in (less(spent), plus(spent, MORE), {"rho": 0, "delta": bytes(16)}):
            self.carried(opened_with(log, other), before, "E3@0")
        genesis = lambda where, new: self.changed(log, 0, where, new)  # noqa: E731
        ceiling = log.entries[0]["body"]["ceiling"]
        self.carried(genesis(("ceiling",), plus(ceiling, MORE)), before, "E3@0")
        self.carried(genesis(("ceiling",), less(ceiling)), before)
        officers = log.entries[0]["body"]["predecessor"]["officers"]
        place = next(n for n, officer in enumerate(officers) if officer["name"] == "eve")
        self.carried(genesis(("predecessor", "officers", place, "name"), "mallory"), before, "E3@0")
        self.carried(log, self.left, "E3@0")
        self.carried(log, governed(sample())[0], "E3@0")
        self.expect(sample(), "E3@0", predecessors=[before.evidence()])
        broken = before.evidence()
        broken.entries[3] = broken.entries[3][:-1] + b"\0"
        self.carried(log, broken, "E3@0")
        self.expect(log, "E3@0", predecessors=[before.evidence(), before.evidence()])

    def test_the_seal_names_the_one_successor(self):
        for origin, n in ((self.after_seal.origin, 3), (NEXT, 1)):
            before = old(sealed=False)
            seal(before, origin, n)
            before.sizes = [12, len(before.entries)]
            signed_again(before)
            log = self.changed(self.after_seal, 0, ("predecessor",), left(before))
            self.carried(log, before, "E3@0")

    def test_a_lost_log_is_carried_with_no_less_than_is_left_of_it(self):
        log, before = self.after_loss, self.left
        self.carried(log, before)
        self.carried(opened_with(log, less(before.spent())), before, "E3@0")
        self.carried(opened_with(log, plus(before.spent(), MORE)), before)
        backup = Log(before.entries[: self.read], [12, self.read])
        self.carried(log, backup)
        self.carried(log, Log(before.entries[: self.read - 1], [12, self.read - 1]), "E3@0")
        self.carried(log, self.sealed, "E3@0")
        other = signed_again(before.put(5, ("body", "commitment"), bytes(32)))
        self.carried(log, other, "E3@0")

    def test_every_changed_field_is_found_or_listed_as_attested(self):
        lines = {field: line for field, line in table().items() if of_succession(*field)}
        self.assertEqual(len(lines), 27)
        found, silent = set(), set()
        log = self.after_loss
        for index in (0, 10):
            kind = log.entries[index]["kind"]
            for where, item in walk(log.entries[index]["body"], ("body",)):
                field = field_of(kind, where)
                if field not in lines:
                    continue
                keys = [public(1)] if isinstance(item, bytes) and len(item) == 32 and item != public(1) else []
                for new in other_values(item) + ([log.origin] if isinstance(item, str) else []) + keys:
                    changed = self.changed(log, index, where[1:], new)
                    self.cases += 1
                    report = verdict.verdict(changed.evidence(), f"{field} = {str(new)[:60]}")
                    standing, rules = lines[field]
                    by_rule = any(finding.rule in rules for finding in report.findings)
                    by_form = ("F1", index) in {(f.rule, f.index) for f in report.findings}
                    say = f"{field} = {new!r}: {named(report)}"
                    self.assertTrue(by_rule or by_form or (standing != "V" and report.holds), say)
                    found |= {field} if by_rule else set()
                    silent |= {field} if report.holds else set()
        shown = {field: ("V\u2264" if field in silent else "V") if field in found else "A" for field in found | silent}
        self.assertEqual(shown, {field: standing for field, (standing, _) in lines.items()})


def named_after_f1(log):
    """What else is named where the genesis cannot be read."""
    from salus_verify.audit import audit

    return [name for name in named(audit(log.evidence())) if name != "F1@0"]



if __name__ == "__main__":
    unittest.main()
