"""What is sound holds, with the right figures."""

import unittest

import support
import verdict
from support import SOUND


class Sound(unittest.TestCase):
    def test_the_fixture_as_salus_wrote_it(self):
        evidence = support.read(SOUND)
        report = verdict.verdict(evidence, "fixture")
        self.assertEqual(report.findings, [])
        self.assertEqual(report.entries, 23)
        self.assertEqual(len(report.history.good), 22)
        self.assertEqual(report.history.head.size, 23)
        self.assertEqual(report.history.head.root, support.root([support.leaf(data) for data in evidence.entries]))
        once = dict.fromkeys(["abort", "dataset", "genesis", "key", "refuse"], 1)
        twice = dict.fromkeys(["catalog", "policy", "snapshot"], 2)
        self.assertEqual(report.kinds, {**once, **twice, "release": 5, "reserve": 7})
        self.assertEqual(report.books.open, [20])
        log = support.fixture_log()
        losses = [support.units(entry["body"]["loss"]) for entry in log.entries if entry["kind"] == "reserve"]
        spent = report.books.purse.spent
        self.assertEqual(spent, {unit: sum(loss[unit] for loss in losses) for unit in ("rho", "delta")})
        self.assertGreater(min(spent.values()), 0)

    def test_its_receipts(self):
        receipts = [path.read_text() for path in sorted((SOUND / "receipts").iterdir())]
        self.assertEqual(len(receipts), 5)
        report = verdict.verdict(support.read(SOUND), "receipts", receipts=receipts)
        self.assertEqual(report.findings, [])
        # Their checkpoints joined the evidence.
        self.assertEqual(len(report.history.good), 22 + 5)

    def test_leaf_hashes_are_a_help_and_no_need(self):
        self.assertEqual(verdict.verdict(support.read(SOUND)._replace(leaves=None)).findings, [])

    def test_the_sample_that_the_tests_write(self):
        """Two datasets, all kinds, a new key; every rule that follows is broken in it."""
        log = support.sample()
        report = verdict.verdict(log.evidence(), "sample")
        self.assertEqual(report.findings, [])
        self.assertEqual(len(report.kinds), 10)
        self.assertEqual((report.kinds["key"], report.kinds["dataset"]), (2, 2))
        self.assertEqual(report.books.open, [20, 31])
        aggregates = set()
        for entry in log.entries:
            if entry["kind"] == "reserve":
                aggregates |= {each["aggregate"] for each in entry["body"]["certificate"]["mechanisms"]}
        of_sums = {"sum", "centred_sum", "centred_square"}
        self.assertEqual(aggregates, {"persons", "rows", "values", "tree"} | of_sums)


if __name__ == "__main__":
    unittest.main()
