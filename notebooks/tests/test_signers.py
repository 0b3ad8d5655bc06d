"""Rules K1, O1 and A1: keys, officers and what these approve, each broken by hand."""

import copy
import unittest

import verdict
from governed import ANA, BO, CY, DEE, EVE, EXPIRES
from governed import approved_again, governed, grant, incident, officer, review, reviewed_again
from support import public, sample

SECOND = 26  # the key entry of the sample with which it goes on


class Keys(verdict.Case):
    def test_sound(self):
        self.expect(sample())
        third = sample()
        third.endorse(third.push("key", public=public(3)), 2)
        self.expect(third)

    def test_each_is_signed_by_the_one_before_it(self):
        unsigned = sample()
        del unsigned.entries[SECOND]["body"]["signature"]
        self.expect(unsigned, f"K1@{SECOND}")
        for by in (2, 3):  # itself, a stranger
            self.expect(sample().endorse(SECOND, by), f"K1@{SECOND}")
        skipped = sample()
        third = skipped.push("key", public=public(3))
        self.expect(skipped.endorse(third, 1), f"K1@{third}")
        # Over another statement: of another key, of another log.
        other = sample().put(SECOND, ("body", "public"), public(3))
        self.expect(other, f"K1@{SECOND}")
        renamed = sample().put(0, ("body", "origin"), "salus.example/other")
        self.expect(renamed, f"K1@{SECOND}")
        self.expect(copy.deepcopy(renamed).endorse(SECOND, 1))

    def test_entry_1_has_no_signature(self):
        self.expect(sample().endorse(1, 1), "K1@1")
        self.expect(sample().endorse(1, 2), "K1@1")

    def test_no_key_comes_twice(self):
        again = sample()
        last = again.push("key", public=public(2))
        self.expect(again.endorse(last, 2), f"K1@{last}")
        back = sample()
        last = back.push("key", public=public(1))
        self.expect(back.endorse(last, 2), f"K1@{last}")
        # Believed, all the same: it is in force, and signs the next.
        back.endorse(back.push("key", public=public(3)), 1)
        self.expect(back, f"K1@{last}")

    def test_a_key_before_it_that_cannot_be_read_may_have_signed_it(self):
        log = sample()
        middle = log.push("key", public=public(3))
        log.endorse(log.push("key", public=public(4)), 3)
        hidden = log.put(middle, ("v",), 2)
        signer = lambda size: 4 if size > middle + 1 else 2 if size > SECOND else 1  # noqa: E731
        self.expect(hidden.evidence(signer=signer), f"F1@{middle}")
        # Without a signature it is wrong whoever was before it.
        del hidden.entries[middle + 1]["body"]["signature"]
        self.expect(hidden.evidence(signer=signer), f"F1@{middle}", f"K1@{middle + 1}")


class Officers(verdict.Case):
    def setUp(self):
        super().setUp()
        self.log, self.at = governed()

    def test_sound(self):
        report = self.expect(self.log)
        self.assertEqual(len(report.books.signers.officers), 4)
        for each, name in zip(report.books.signers.officers, ("ana", "bo", "cy", "eve")):
            until = self.at["end"] if name == "bo" else None
            expected = {"name": name, "since": self.at[name], "self_named": name in ("ana", "bo")}
            self.assertEqual({**each, **expected, "active": until is None, "until": until}, each)
        self.assertEqual(sorted(report.books.signers.approvers[self.at["grant"]]), ["ana", "bo"])
        self.assertEqual(report.books.signers.approvers[self.at["review"]], [])

    def test_those_after_the_first_two_are_approved(self):
        third = sample()
        for n, name in ((ANA, "ana"), (BO, "bo")):
            officer(third, n, name)
        last = officer(third, CY, "cy")
        self.expect(third, f"O1@{last}")
        # Believed: it approves what follows.
        officer(third, DEE, "dee", BO, CY)
        self.expect(third, f"O1@{last}")
        # Two entries, not two officers: nobody names a successor alone.
        self.expect(*self.with_officer(DEE, "dee"))

    def with_officer(self, n, name, *approving, active=True, rule="O1"):
        log = self.log.clone()
        last = officer(log, n, name, *approving, active=active)
        return log, f"{rule}@{last}"

    def test_before_there_are_officers_nobody_approves(self):
        early = sample()
        last = officer(early, ANA, "ana", BO, CY)
        self.expect(early, f"A1@{last}")
        gone = sample()
        last = officer(gone, ANA, "ana", active=False)
        self.expect(gone, f"O1@{last}")

    def test_no_key_is_named_twice(self):
        for n in (ANA, BO, 1, 2):  # an officer's, one's who went, the log's
            self.expect(*self.with_officer(n, "dee", ANA, CY))
        self.expect(self.with_officer(3, "dee", ANA, CY)[0])

    def test_no_name_is_of_two(self):
        self.expect(*self.with_officer(DEE, "cy", ANA, CY))
        self.expect(*self.with_officer(DEE, "", ANA, CY))
        self.expect(self.with_officer(DEE, "bo", ANA, CY)[0])  # the name of one who went

    def test_one_who_goes(self):
        self.expect(self.with_officer(EVE, "eve", ANA, CY, active=False)[0])
        self.expect(*self.with_officer(EVE, "eve", active=False))
        for name in ("eva", ""):
            self.expect(*self.with_officer(EVE, name, ANA, CY, active=False))
        for n in (BO, DEE, 1):  # one who went, one who never was, a key of the log
            self.expect(*self.with_officer(n, "bo", ANA, CY, active=False))

    def test_two_others_stay(self):
        officer(self.log, EVE, "eve", ANA, CY, active=False)
        self.expect(*self.with_officer(CY, "cy", ANA, CY, active=False))

    def test_one_who_failed_to_come_or_go_has_come_or_gone(self):
        log, finding = self.with_officer(EVE, "eva", ANA, CY, active=False)
        last = officer(log, DEE, "dee", ANA, EVE)
        self.expect(log, finding, f"A1@{last}")


class Approvals(verdict.Case):
    def setUp(self):
        super().setUp()
        self.log, self.at = governed()

    def approvals(self, index, change):
        """The log with the approvals of one entry changed."""
        log = self.log.clone()
        approvals = log.entries[index]["body"]["approvals"]
        change(approvals)
        return reviewed_again(log, index)

    def everywhere(self, change, rule="A1"):
        for name in ("cy", "grant", "incident", "approved", "end"):
            self.expect(self.approvals(self.at[name], change), f"{rule}@{self.at[name]}")

    def test_one_officer_counts_once(self):
        self.everywhere(lambda approvals: approvals.insert(0, approvals[0]))

    def test_in_ascending_order(self):
        def swap(approvals):
            approvals[:] = approvals[::-1]

        for name in ("cy", "grant", "end"):
            self.expect(self.approvals(self.at[name], swap), f"A1@{self.at[name]}")

    def test_how_many_there_are_at_least(self):
        self.everywhere(list.clear, "F1")
        for name in ("cy", "grant", "end"):
            self.expect(self.approvals(self.at[name], list.pop), f"F1@{self.at[name]}")
        without = self.log.clone()
        del without.entries[self.at["grant"]]["body"]["approvals"]
        self.expect(reviewed_again(without, self.at["grant"]), f"F1@{self.at['grant']}")

    def test_more_may_approve(self):
        more, three = self.log.clone(), (ANA, BO, CY)
        self.expect(reviewed_again(more.approve(self.at["grant"], *three), self.at["grant"]))

    def test_of_another_officer(self):
        def exchange(approvals):
            approvals[0]["officer"] = public({public(ANA): BO}.get(approvals[0]["officer"], ANA))
            approvals[:] = sorted({each["officer"]: each for each in approvals}.values(), key=lambda a: a["officer"])

        self.expect(self.approvals(self.at["incident"], exchange), f"A1@{self.at['incident']}")
        self.expect(self.approvals(self.at["approved"], exchange), f"A1@{self.at['approved']}")

    def test_a_changed_signature(self):
        def change(approvals):
            approvals[-1]["signature"] = bytes([approvals[-1]["signature"][0] ^ 1]) + approvals[-1]["signature"][1:]

        self.everywhere(change)

    def test_over_another_body(self):
        changed = self.log.put(self.at["grant"], ("body", "expires"), EXPIRES + 1)
        self.expect(reviewed_again(changed, self.at["grant"]), f"A1@{self.at['grant']}")
        self.expect(reviewed_again(approved_again(changed, self.at["grant"]), self.at["grant"]))
        # Those who approve do not say when it is entered.
        later = self.log.put(self.at["grant"], ("time",), 1_790_000_001)
        self.expect(reviewed_again(later, self.at["grant"]))

    def test_over_another_kind(self):
        log, index = self.log.clone(), self.at["incident"]
        log.entries[index]["kind"] = "review"
        log.approve(index, ANA)
        log.entries[index]["kind"] = "incident"
        self.expect(reviewed_again(log, index), f"A1@{index}")

    def test_over_another_origin(self):
        for name in ("cy", "grant", "incident", "approved", "end"):
            log, index = self.log.clone(), self.at[name]
            approved_again(log, index, origin="salus.example/other")
            self.expect(reviewed_again(log, index), f"A1@{index}")

    def test_of_one_who_is_not_active(self):
        for officers in ((ANA, BO), (ANA, DEE), (ANA, 1)):  # one who went, one who never was, the log itself
            log = self.log.clone()
            index = grant(log, *officers, by={"rho": 1, "delta": bytes(16)}, nonce=b"\1" * 16)
            self.expect(log, f"A1@{index}")
        # Nor is one active before the entry that says so.
        log = self.log.clone()
        self.expect(log, f"A1@{officer(log, DEE, 'dee', ANA, DEE)}")

    def test_reviews_and_incidents_need_no_approval(self):
        log = self.log.clone()
        review(log, 0, 5)
        incident(log, 16)
        self.expect(log)

    def test_after_an_entry_that_cannot_be_read(self):
        """It may have named the officer; but one who went, or whose key is known, it has not."""
        for name in ("ana", "cy"):
            hidden = reviewed_again(self.log.put(self.at[name], ("v",), 2), self.at[name])
            self.expect(hidden, f"F1@{self.at[name]}")
        hidden = reviewed_again(self.log.put(8, ("v",), 2), 8)
        index = grant(hidden, ANA, BO, by={"rho": 1, "delta": bytes(16)}, nonce=b"\1" * 16)
        self.expect(hidden, "F1@8", f"A1@{index}")
        # What such an officer signs is checked.
        hidden = reviewed_again(self.log.put(self.at["cy"], ("v",), 2), self.at["cy"])
        hidden.entries[self.at["approved"]]["body"]["approvals"][0]["signature"] = bytes(64)
        self.expect(hidden, f"F1@{self.at['cy']}", f"A1@{self.at['approved']}")

    def test_without_a_genesis_nothing_says_what_was_signed(self):
        hidden = self.log.put(0, ("v",), 2)
        self.expect(reviewed_again(hidden, 0), "F1@0", origin=self.log.origin)


if __name__ == "__main__":
    unittest.main()
