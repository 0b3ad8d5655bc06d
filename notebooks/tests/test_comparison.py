"""The comparison itself can fail, and says when there is none."""

import copy
import unittest

import support
import verdict
from salus_verify.audit import audit

FACTS = dict(
    holds=False,
    findings=[("T1", 3)],
    entries=4,
    checkpoints=2,
    head=None,
    kinds={"key": 1},
    open=[],
    totals=[],
    cap=None,
    officers=[],
    grants=[],
    reviews=[],
    incidents=[],
    witnessed=None,
)


class Comparison(unittest.TestCase):
    def test_each_difference_is_seen(self):
        verdict.must_agree(FACTS, copy.deepcopy(FACTS), 1, "equal")
        others = dict(holds=True, findings=[("T1", 4)], entries=5, checkpoints=1, head={"size": 1}, kinds={}, cap={})
        lists = dict.fromkeys(["open", "totals", "officers", "grants", "reviews", "incidents", "witnessed"], [0])
        for name, other in {**others, **lists}.items():
            with self.assertRaises(AssertionError, msg=name):
                verdict.must_agree(FACTS, {**FACTS, name: other}, 1, name)
        for code in (0, 2, 101, -6):
            with self.assertRaises(AssertionError):
                verdict.must_agree(FACTS, FACTS, code, "exit code")
        for findings in ([], [("F1", 3)], [("T1", -1)], [("T1", 3), ("F1", 3)]):
            with self.assertRaises(AssertionError):
                verdict.must_agree(FACTS, {**FACTS, "findings": findings}, 1, "findings")

    @unittest.skipUnless(verdict.PROGRAM, "SALUS_AUDIT does not name salus-audit: nothing is compared with it")
    def test_with_salus_audit(self):
        before = verdict.compared
        good = support.read(support.SOUND)
        self.assertTrue(verdict.verdict(good, "sound").holds)
        # A verifier that overlooks something is caught: what it is shown is sound, what salus-audit is shown is not.
        broken = good._replace(entries=good.entries[:-1] + [good.entries[-1] + b"\0"])
        self.addCleanup(setattr, verdict, "audit", audit)
        verdict.audit = lambda evidence, *others: audit(good, *others)
        with self.assertRaises(AssertionError):
            verdict.verdict(broken, "broken")
        self.assertEqual(verdict.compared - before, 1)


if __name__ == "__main__":
    unittest.main()
