"""Rule R1: reviews, broken by hand."""

import unittest

import verdict
from governed import CY, governed, review, root_of
from support import leaf, root, sample


class Reviews(verdict.Case):
    def setUp(self):
        super().setUp()
        self.log, self.at = governed()

    def reviewed(self, first, last, *findings, **other):
        """One more review, in front of an entry like any."""
        log = self.log.clone()
        index = review(log, first, last, CY, **other)
        log.push("refuse", **log.entries[8]["body"])
        self.expect(log, *(f"{rule}@{index}" for rule in findings))

    def test_each_prefix(self):
        log = sample()
        for last in range(len(log.entries)):
            review(log, last, last)
        self.expect(log)

    def test_the_root(self):
        index = len(self.log.entries)
        for wrong in (bytes(32), root([]), leaf(b""), *(root_of(self.log, last) for last in (4, 6, index - 1))):
            self.reviewed(0, 5, "R1", root=wrong)
        self.reviewed(0, 5, "R1", root=root_of(self.log.put(3, ("time",), 0), 5))

    def test_from_and_to(self):
        self.reviewed(5, 5)
        self.reviewed(6, 5, "R1")
        index = len(self.log.entries)
        self.reviewed(0, index - 1)
        self.reviewed(0, index, "F3")  # itself
        self.reviewed(index, index, "F3")
        self.reviewed(0, index + 1, "F3")
        self.reviewed(0, 2**64 - 1, "F3")
        self.reviewed(2**64 - 1, 5, "F3", "R1")

    def test_what_was_exchanged_behind_a_review(self):
        """Leaf hashes, checkpoints and signatures made anew do not help who changes what somebody has seen."""
        changed = self.log.put(8, ("body", "rule"), "x")
        self.expect(changed, f"R1@{self.at['review']}", f"R1@{self.at['approved']}")

    def test_bytes_that_are_not_those_of_the_hash(self):
        """The leaf hashes have the root that was seen; without them the reviews show what the checkpoints show."""
        good, other = self.log.evidence(), self.log.put(8, ("body", "rule"), "x").evidence()
        damaged = good._replace(entries=other.entries)
        self.expect(damaged, "T1@8")
        reviews = [f"R1@{self.at['review']}", f"R1@{self.at['approved']}"]
        self.expect(damaged._replace(leaves=None), "T1@8", *reviews)
        for data, findings in ((good.entries[8][:-1], reviews), (b"", [])):  # what is missing has no root
            cut = good._replace(entries=[*good.entries[:8], data, *good.entries[9:]])
            self.expect(cut, "F1@8", "T1@8")
            self.expect(cut._replace(leaves=None), "F1@8", "T1@8", *findings)


if __name__ == "__main__":
    unittest.main()
