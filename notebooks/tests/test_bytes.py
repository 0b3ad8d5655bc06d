"""Evidence of which one byte was changed after it was signed."""

import unittest

import support
import verdict
from verdict import named


def flip(data: bytes, at: int, bit: int = None) -> bytes:
    return data[:at] + bytes([data[at] ^ 1 << (at % 8 if bit is None else bit)]) + data[at + 1 :]


class Bytes(unittest.TestCase):
    def setUp(self):
        self.good = support.read(support.SOUND)
        self.before = verdict.compared

    def held_against_each_other(self, cases):
        self.assertEqual(verdict.compared - self.before, cases if verdict.PROGRAM else 0)

    def test_every_byte_of_every_entry(self):
        cases = 0
        for index, data in enumerate(self.good.entries):
            for at in range(len(data)):
                entries = list(self.good.entries)
                entries[index] = flip(data, at)
                report = verdict.verdict(self.good._replace(entries=entries), f"entry {index} byte {at}")
                blamed = [finding.index for finding in report.findings if finding.rule == "T1"]
                self.assertEqual(blamed, [index], f"byte {at}")
                cases += 1
        self.assertEqual(cases, sum(map(len, self.good.entries)))
        self.assertGreater(cases, 7000)
        self.held_against_each_other(cases)

    def test_every_byte_of_a_checkpoint(self):
        cases = 0
        for size in (2, 12, 23):
            for at in range(len(self.good.checkpoints[size])):
                checkpoints = {**self.good.checkpoints, size: flip(self.good.checkpoints[size], at, 0)}
                report = verdict.verdict(self.good._replace(checkpoints=checkpoints), f"checkpoint {size} byte {at}")
                self.assertIn("T2", {finding.rule for finding in report.findings}, f"{size} byte {at}")
                cases += 1
        self.assertGreater(cases, 500)
        self.held_against_each_other(cases)

    def test_every_byte_of_the_verifier_key(self):
        vkey = self.good.vkey.rstrip().encode()
        for at in range(len(vkey)):
            changed = flip(vkey, at, 0).decode()
            report = verdict.verdict(self.good._replace(vkey=changed), f"verifier key byte {at}")
            self.assertEqual({finding.rule for finding in report.findings}, {"T2"}, changed)
        self.held_against_each_other(len(vkey))

    def test_every_leaf_hash(self):
        for index in range(len(self.good.leaves)):
            leaves = list(self.good.leaves)
            leaves[index] = flip(leaves[index], index)
            report = verdict.verdict(self.good._replace(leaves=leaves), f"leaf {index}")
            self.assertEqual(named(report), [f"T1@{index}"])
        self.held_against_each_other(len(self.good.leaves))


if __name__ == "__main__":
    unittest.main()
