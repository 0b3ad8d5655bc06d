"""Rules N1, N2 and N3, each broken by hand; each verdict is held against `salus-audit`."""

import copy
import unittest
from hashlib import sha256

import verdict
from salus_verify.restricted import Restricted
from support import Log, checkpoint, encode, leaf, public, root, sample
from verdict import named

DAY = 86_400
NOW = 1_790_000_000
TIMES = {2: NOW, 4: NOW + DAY, 6: NOW + 9 * DAY}
SIZES = {2: 2, 4: 6, 6: 10}


def entry(kind, time=NOW, **body):
    return {"v": 1, "kind": kind, "time": time, "body": body}


def refuse(time=NOW):
    return entry("refuse", time, principal="a", purpose="HRESCH", rule="S2", question=bytes(32))


def seen(kind, **more):
    some = dict(principal="s-1", role="physician", purpose="ETREAT", persons=bytes(32), columns=bytes(32))
    return entry(kind, **some, **more)


def change(kind, **more):
    return entry(kind, principal="s-1", persons=bytes(32), detail=bytes(32), **more)


def followup(breakglass, outcome):
    return entry("followup", breakglass=breakglass, principal="o-1", outcome=outcome, note=bytes(32))


def anchor(time, opening):
    return entry("anchor", time, tick=time // DAY, checkpoint=sha256(b"salus/commitment/v1\0" + opening).digest())


class Pair:
    """A log with its restricted log."""

    def __init__(self):
        genesis = copy.deepcopy(sample().entries[0])
        genesis["body"]["restricted"] = DAY
        self.log = genesis["body"]["origin"]
        self.origin = self.log + "/restricted"
        self.second = Log(
            [
                entry("opening", origin=self.origin, log=self.log),
                entry("key", public=public(1)),
                seen("access"),
                seen("breakglass", justification=bytes(32)),
                followup(3, "open"),
                change("expunge"),
                change("consent", act="deny"),
                change("linkage", act="merge"),
                followup(3, "justified"),
                seen("breakglass", justification=bytes(32)),
                change("alert"),
            ],
            [2, 11],
        )
        entries = [genesis, entry("key", public=public(1)), None, refuse(), None, refuse(TIMES[4]), None, refuse(TIMES[6])]
        self.first = Log(entries)
        self.anchored()

    def opening(self, size, origin=None, key=1):
        leaves = [leaf(encode(item)) for item in self.second.entries[:size]]
        return bytes([size]) * 32 + checkpoint(origin or self.origin, size, root(leaves), key)

    def anchored(self):
        """Anchors of the restricted log as it is."""
        self.openings = {at: self.opening(size) for at, size in SIZES.items()}
        for at, opening in self.openings.items():
            self.first.entries[at] = anchor(TIMES[at], opening)
        return self

    def restricted(self, entries=None):
        log = self.second if entries is None else Log(entries, [2, len(entries)])
        return Restricted(log.evidence(self.origin), dict(self.openings))


class Anchors(verdict.Case):
    def test_they_stand_where_a_tick_has_passed_and_nowhere_else(self):
        whole = Pair().first
        self.expect(whole)
        for index in SIZES:
            self.expect(Log(whole.entries[:index] + whole.entries[index + 1 :]), f"N1@{index}")
        again = Log(whole.entries + [anchor(TIMES[6] + 60, b"another")])
        self.expect(again)
        again.entries.append(refuse(TIMES[6] + 61))
        self.expect(again, "N1@9")
        self.expect(whole.put(4, ("body", "tick"), NOW // DAY + 2), "N1@4")
        self.expect(Log(whole.entries + [refuse()]))
        self.expect(whole.put(4, ("kind",), "other"), "F1@4")
        none = Pair().first
        del none.entries[0]["body"]["restricted"]
        self.expect(none, "N1@2", "N1@4", "N1@6")
        for wrong in (-1, 0, "1", True):
            if wrong != -1:
                report = self.expect_some(whole.put(0, ("body", "restricted"), wrong))
                self.assertIn("F1@0", named(report))

    def expect_some(self, log, **options):
        self.cases += 1
        return verdict.verdict(log.evidence(Pair().log), self.id(), **options)


class Beside(verdict.Case):
    def judge(self, pair, restricted, first=(), second=()):
        report = self.expect(pair.first, *first, restricted=restricted)
        said = sorted({f"{f.rule}@{'-' if f.index is None else f.index}" for f in report.restricted.findings})
        self.assertEqual(said, sorted(second))
        return report

    def test_sound(self):
        pair = Pair()
        report = self.judge(pair, pair.restricted())
        self.assertTrue(report.holds)
        self.assertEqual((report.restricted.anchors, report.restricted.open), (3, [9]))

    def test_what_was_anchored_must_be_there(self):
        pair = Pair()
        entries = pair.second.entries
        self.judge(pair, pair.restricted(entries[:9]), ["N2@6"])
        self.judge(pair, pair.restricted(entries[:5]), ["N2@4", "N2@6"])
        self.judge(pair, pair.restricted(entries[:5] + [change("alert")] + entries[6:]), ["N2@4", "N2@6"])
        self.judge(pair, pair.restricted(entries + [change("expunge")]))
        for opening in (None, bytes(31), pair.opening(7)):
            given = pair.restricted()
            given.anchors.pop(4)
            if opening is not None:
                given.anchors[4] = opening
            self.judge(pair, given, ["N2@4"])
        given = pair.restricted()
        given.anchors[3] = pair.opening(6)
        self.judge(pair, given, ["N2@3"])
        for opening in (pair.opening(6, pair.log), pair.opening(6, key=2), pair.opening(1), b"no checkpoint" * 9):
            other = Pair()
            other.first.entries[4] = anchor(TIMES[4], opening)
            other.openings[4] = opening
            self.judge(other, other.restricted(), ["N2@4"])
        fell = Pair()
        fell.openings[6] = fell.opening(5)
        fell.first.entries[6] = anchor(TIMES[6], fell.openings[6])
        self.judge(fell, fell.restricted(), ["N2@6"])

    def test_it_is_this_ones_and_whole(self):
        opening = lambda log: entry("opening", origin=Pair().origin, log=log)  # noqa: E731
        for index, new, *names in (
            (0, opening("salus.example/other"), "N3@0"),
            (0, change("alert"), "N3@0"),
            (5, opening(Pair().log), "N3@5"),
            (4, followup(2, "open"), "N3@4"),
            (4, followup(9, "open"), "N3@4"),
            (5, change("consent"), "F1@5"),
            (5, change("expunge", act="deny"), "F1@5"),
            (2, seen("access", note=bytes(32)), "F1@2"),
            (2, {**seen("access"), "v": 2}, "F1@2"),
            (2, {**seen("access"), "kind": "reserve"}, "F1@2"),
            (4, followup(3, "fine"), "F1@4"),
        ):
            pair = Pair()
            pair.second.entries[index] = new
            self.judge(pair.anchored(), pair.restricted(), (), names)
        for name in ("Marta Vogel", "", "X" * 65, "M\u00fcller"):
            for field in ("principal", "role", "purpose"):
                pair = Pair()
                pair.second.entries[2]["body"][field] = name
                self.judge(pair.anchored(), pair.restricted(), (), ["F1@2"])
        pair = Pair()
        del pair.first.entries[0]["body"]["restricted"]
        self.judge(pair, pair.restricted(), ["N1@2", "N1@4", "N1@6"], ["N3@-"])

    def test_any_changed_byte_names_its_entry(self):
        pair = Pair()
        for index in range(len(pair.second.entries)):
            given = pair.restricted()
            given.log.entries[index] = given.log.entries[index][:-1] + bytes([given.log.entries[index][-1] ^ 1])
            self.cases += 1
            report = verdict.verdict(pair.first.evidence(), self.id(), restricted=given)
            self.assertIn(f"T1@{index}", [f"{f.rule}@{f.index}" for f in report.restricted.findings])


if __name__ == "__main__":
    unittest.main()
