"""Where this verifier and `salus-audit` are known to part. Each says why this one follows the documents; none of them
lets a broken log hold here. They are not compared."""

import unittest

from support import checkpoint, root, sample, vkey  # first: it puts the verifier on the path
from salus_verify.audit import audit
from verdict import named


class Apart(unittest.TestCase):
    def expect(self, evidence, *findings):
        self.assertEqual(named(audit(evidence)), sorted(findings))

    def test_of_an_empty_log_both_first_entries_are_missing(self):
        """F2 is about entry 0 and entry 1; salus-audit names entry 0 alone."""
        empty = sample().evidence()._replace(entries=[], leaves=None, checkpoints={})
        self.expect(empty, "F2@0", "F2@1", "T1@-")

    def test_snapshot_and_catalog_name_one_dataset_though_its_entry_cannot_be_read(self):
        """F3 compares the three names; salus-audit compares each with the dataset's alone."""
        log = sample().put(2, ("v",), 2).put(11, ("body", "dataset"), "claims")
        self.expect(log.evidence(), "F1@2", *(f"F3@{index}" for index in (12, 14, 16, 18, 20, 21, 29, 31)))

    def test_a_control_character_that_c2sp_allows_in_a_key_name(self):
        """A signed note excludes those below U+0020 and no other; salus-audit refuses U+007F too."""
        self.expect(sample().renamed("a\x7fb").evidence())

    def test_a_second_ending_of_what_is_no_reserve(self):
        """B2 counts endings of a reserve; salus-audit counts those of any earlier entry. F3 is named by both."""
        log = sample()
        for _ in range(2):
            log.push("abort", reserve=8, reason="failed")
        self.expect(log.evidence(), "F3@32", "F3@33")

    def test_the_verifier_key_is_that_of_the_last_key_entry(self):
        """A newest checkpoint that a stranger signed beside the key in force: no key entry names the stranger's key, so it
        is no verifier key. Both say so; `rules.rs` holds the other."""
        log = sample()
        good = log.evidence()
        size = len(good.entries)
        more = checkpoint(log.origin, size, root(good.leaves), 3).partition(b"\n\n")[2]
        both = {**good.checkpoints, size: good.checkpoints[size] + more}
        self.expect(good._replace(checkpoints=both))
        self.expect(good._replace(checkpoints=both, vkey=vkey(log.origin, 3)), "T2@26")


if __name__ == "__main__":
    unittest.main()
