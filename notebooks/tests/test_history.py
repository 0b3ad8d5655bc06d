"""Checkpoints and the tree: forged, forked, missing, moved, and what is named then."""

import base64
import unittest
from hashlib import sha512

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

import support
import verdict
from salus_verify.note import verifies
from support import b64, checkpoint, key_id, leaf, note, public, root, sample, vkey
from verdict import named


class History(unittest.TestCase):
    def setUp(self):
        self.log = sample()
        self.origin = self.log.origin
        self.good = self.log.evidence()
        self.leaves = self.good.leaves
        self.size = len(self.leaves)  # signed by the second key, in force from 27 on
        self.before, self.cases = verdict.compared, 0

    def tearDown(self):
        self.assertGreater(self.cases, 0)
        self.assertEqual(verdict.compared - self.before, self.cases if verdict.PROGRAM else 0)

    def expect(self, evidence, *findings, **options):
        self.cases += 1
        report = verdict.verdict(evidence, str(findings), **options)
        self.assertEqual(named(report), sorted(findings), [str(finding) for finding in report.findings])

    def with_checkpoint(self, size, signed):
        return self.good._replace(checkpoints={**self.good.checkpoints, size: signed})

    def up_to(self, size):
        return {at: signed for at, signed in self.good.checkpoints.items() if at <= size}

    def test_who_signs(self):
        right = root(self.leaves[:12])
        text = f"{self.origin}\n12\n{b64(right)}\n"
        sign = lambda name, n: self.with_checkpoint(12, note(text, name, n))  # noqa: E731
        self.expect(sign(self.origin, 1))
        self.expect(sign(self.origin, 3), "T2@11")
        self.expect(sign("other.example", 1), "T2@11")
        # The key that came into force later: it is the verifier key, so what it signs bounds, but key entry 1 says no.
        self.expect(sign(self.origin, 2), "T2@1")
        self.expect(self.with_checkpoint(12, checkpoint("other.example", 12, right, 1)), "T2@11")
        # Without its newest checkpoint nobody signed for the last entry.
        newest = root(self.leaves)
        stale = self.with_checkpoint(self.size, checkpoint(self.origin, self.size, newest, 1))
        self.expect(stale, f"T2@{self.size - 1}", f"T1@{self.size - 1}")

    def test_signatures_of_others_are_ignored(self):
        signed = self.good.checkpoints[12]
        own = signed.decode().rpartition("\n\n")[2]
        raw = base64.b64decode(own.split(" ")[2])
        line = lambda name, data: f"\u2014 {name} {b64(data)}\n".encode()  # noqa: E731
        bad = line(self.origin, raw[:9] + bytes([raw[9] ^ 1]) + raw[10:])
        form = "T2@-"
        for more, findings in (
            (line("witness.example", b"12345"), ()),
            (line(self.origin, b"12345"), ()),  # the name of ours, another key
            (line("witness.example", b"12345") * 63, ()),
            (line("witness.example", b"12345") * 64, (form,)),
            (line("witness.example", b"1234"), (form,)),
            (line("wit+ness", b"12345"), (form,)),
            (line("wit\u00a0ness", b"12345"), (form,)),
            (line("", b"12345"), (form,)),
            (own.encode(), ()),
            (bad, ("T2@11",)),  # one wrong signature of ours spoils the note
            (b"\n", (form,)),
            (b"junk\n", (form,)),
            (b"\xff", (form,)),
        ):
            self.expect(self.with_checkpoint(12, signed + more), *findings)
        self.expect(self.with_checkpoint(12, signed[:-1]), form)
        self.expect(self.with_checkpoint(12, signed.replace(b"\n", b"\r\n")), form)
        self.expect(self.with_checkpoint(12, b""), form)

    def test_the_form_of_a_checkpoint(self):
        right = b64(root(self.leaves[:12]))
        for text in (
            f"{self.origin}\n12\n{right}\nextension\n",
            f"{self.origin}\n012\n{right}\n",
            f"{self.origin}\n+12\n{right}\n",
            f"{self.origin}\n1_2\n{right}\n",
            f"{self.origin}\n\u0661\u0662\n{right}\n",
            f"{self.origin}\n1\u0662\n{right}\n",
            f"{self.origin}\n12\n",
            f"{self.origin}\n12\n{right[:-4]}\n",
            f"{self.origin}\n12\n{right[:-2]}B=\n",  # other bits behind the last byte
            f"{self.origin}\n12\n{right}=\n",
            f"{self.origin}\n12\n{right} \n",
            f"\n12\n{right}\n",
            f"{self.origin}\n{2**64}\n{right}\n",
            f"{self.origin}\n{'9' * 5000}\n{right}\n",
        ):
            self.expect(self.with_checkpoint(12, note(text, self.origin, 1)), "T2@-")
        for origin in ("", "a b", "a+b", "a\nb", "a\x01b", "a\u2028b"):
            self.expect(sample().renamed(origin).evidence(), "T1@-", "T2@-")
        # Sizes below 2 have no key in force; the file's name says 12.
        self.expect(self.with_checkpoint(12, checkpoint(self.origin, 1, self.leaves[0], 1)), "T2@0")
        self.expect(self.with_checkpoint(12, checkpoint(self.origin, 0, root([]), 1)), "T2@-")

    def test_the_verifier_key(self):
        last = f"T2@{self.size - 1}"
        change = lambda text: self.good._replace(vkey=text)  # noqa: E731
        right = vkey(self.origin, 2)
        self.expect(change(right))
        self.expect(change(right + "\r\n"))
        for wrong in (vkey(self.origin, 1), vkey(self.origin, 3)):
            self.expect(change(wrong), last)
        self.expect(change(vkey("other.example", 2)), "T2@0", last)
        name, id, key = right.split("+", 2)
        for text in ("", "x", name, f"{name}+{id}", f"{name}+{id}+", f"+{id}+{key}", f"{name}+{id[:-1]}+{key}"):
            self.expect(change(text), "T2@-")
        self.expect(change(right + " "), "T2@-")
        self.expect(change(f"{name}+{'0' * 8}+{key}"), "T2@-")
        self.expect(change(f"{name}+{id.upper()}+{key}"))
        other_type = b"\4" + public(2)
        self.expect(change(f"{name}+{id}+{b64(other_type)}"), "T2@-")

    def test_a_key_of_small_order_signs_for_nobody(self):
        """Under the neutral element R = the neutral element and S = 0 would be a signature of everything."""
        log = support.fixture_log()
        of_order_8 = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"
        points = ["01" + "00" * 31, "ec" + "ff" * 30 + "7f", "00" * 32, of_order_8]
        for point in map(bytes.fromhex, points):
            log.entries[1]["body"]["public"] = point
            entries = [support.encode(entry) for entry in log.entries]
            leaves = [leaf(entry) for entry in entries]
            text = f"{log.origin}\n{len(leaves)}\n{b64(root(leaves))}\n"
            id = key_id(log.origin, point)
            trusted = f"{log.origin}+{id.hex()}+{b64(bytes([1]) + point)}"
            for r in map(bytes.fromhex, points):
                signed = f"{text}\n\u2014 {log.origin} {b64(id + r + bytes(32))}\n".encode()
                evidence = support.Evidence(entries, leaves, {len(leaves): signed}, trusted)
                self.expect(evidence, "T1@-", f"T2@{len(leaves) - 1}")

    def test_a_point_of_small_order_is_refused_on_either_side(self):
        """Both equations hold, S·B = R + h·A, as a verifier that is not strict would find."""
        neutral, message, order = bytes([1]) + bytes(31), b"anything", 2**252 + 27742317777372353535851937790883648493
        secret = bytearray(sha512(bytes([1]) * 32).digest()[:32])
        secret[0] &= 248
        secret[31] = secret[31] & 127 | 64
        scalar = int.from_bytes(secret, "little")
        # R = r·B of a true key, A neutral: S = r. And R neutral, A a true key: S = h·a.
        h = int.from_bytes(sha512(neutral + public(1) + message).digest(), "little")
        for key, r, s in ((neutral, public(1), scalar % order), (public(1), neutral, h * scalar % order)):
            signature = r + s.to_bytes(32, "little")
            Ed25519PublicKey.from_public_bytes(key).verify(signature, message)  # does not raise
            self.assertFalse(verifies(key, message, signature))
        self.assertTrue(verifies(public(1), message, support.signing_key(1).sign(message)))
        self.expect(self.good)

    def test_another_history(self):
        fork = lambda size, n: checkpoint(self.origin, size, b"\1" * 32, n)  # noqa: E731
        # Larger checkpoints agree, so this one was signed over something else.
        self.expect(self.with_checkpoint(12, fork(12, 1)), "T2@11")
        # None agrees above it: it bounds the change.
        self.expect(self.with_checkpoint(self.size, fork(self.size, 2)), f"T1@{self.size - 1}")
        self.expect(self.good, "T2@11", kept=[fork(12, 1)])
        self.expect(self.good, f"T2@{self.size - 1}", kept=[fork(self.size, 2)])
        self.expect(self.good, kept=[self.good.checkpoints[12]])
        self.expect(self.good, "T2@-", kept=[b"junk"])
        self.expect(self.good, vkey=vkey(self.origin, 2))
        # One from before the key changed: the log has it, and each key has signed the next.
        self.expect(self.good, vkey=vkey(self.origin, 1))
        self.expect(self.good, "T2@-", vkey=vkey(self.origin, 3))
        self.expect(self.good, "T2@-", vkey=vkey("other.example", 1))
        self.expect(self.good, "T2@-", vkey="junk")
        # It does not make good what the export's own key is not.
        old = self.good._replace(vkey=vkey(self.origin, 1))
        self.expect(old, f"T2@{self.size - 1}", vkey=vkey(self.origin, 1))

    def test_rolled_back(self):
        whole, younger = sample(), sample()
        del younger.entries[20:]
        evidence = younger.evidence()
        # By itself the older state looks like any log.
        self.expect(evidence)
        # Signed by a key that this state does not know yet.
        self.expect(evidence, f"T2@{self.size - 1}", kept=[whole.evidence().checkpoints[self.size]])
        self.expect(evidence, kept=[whole.evidence().checkpoints[12]])
        self.expect(evidence, "T1@20", kept=[whole.evidence().checkpoints[23]])

    def test_no_checkpoint_or_one_misnamed(self):
        self.expect(self.good._replace(checkpoints={}), "T1@-")
        self.expect(self.good._replace(checkpoints={}, vkey="x"), "T1@-", "T2@-")
        # The newest checkpoint is over 12: the old key's, and it covers no more.
        self.expect(self.good._replace(checkpoints=self.up_to(12)), "T1@12", "T2@11")
        renamed = {**self.up_to(self.size - 1), self.size + 5: self.good.checkpoints[self.size]}
        self.expect(self.good._replace(checkpoints=renamed), f"T2@{self.size - 1}")

    def test_entries_missing_extra_and_exchanged(self):
        entries = self.good.entries
        for index in range(2, self.size):
            if index == 26:
                continue  # the second key entry: its checkpoints fail too
            without = entries[:index] + entries[index + 1 :]
            self.expect(self.good._replace(entries=without), f"F1@{index}", f"T1@{index}")
            hole = entries[:index] + [b""] + entries[index + 1 :]
            self.expect(self.good._replace(entries=hole), f"F1@{index}", f"T1@{index}")
            named_at = {8: 9}.get(index, index)  # beside another refusal either of the two is extra
            more = entries[:index] + [entries[8]] + entries[index:]
            self.expect(self.good._replace(entries=more), f"T1@{named_at}")
        swapped = list(entries)
        swapped[5], swapped[11] = swapped[11], swapped[5]
        self.expect(self.good._replace(entries=swapped), "T1@5", "T1@11")
        for cut in (5, 12, self.size - 1):
            lost = [f"F1@{index}" for index in range(cut, self.size)]
            verifier = ["T2@1"] if cut < 27 else []
            self.expect(self.good._replace(entries=entries[:cut]), f"T1@{cut}", *lost, *verifier)

    def test_a_damaged_list_of_leaf_hashes(self):
        for index in (0, 12, self.size - 1):
            without = self.leaves[:index] + self.leaves[index + 1 :]
            self.expect(self.good._replace(leaves=without), f"T1@{self.size - 1}")
            more = self.leaves[:index] + [bytes(32)] + self.leaves[index:]
            self.expect(self.good._replace(leaves=more), f"T1@{self.size}")
            self.expect(self.good._replace(leaves=self.leaves[:index]), f"T1@{index}")

    def test_without_leaf_hashes_the_checkpoints_bound_the_change(self):
        few = {size: self.good.checkpoints[size] for size in (12, self.size)}
        for index in range(2, self.size):
            data = self.good.entries[index]
            # A salt or a name near the end, or the clock: changed, and read all the same.
            at = data.rindex(b"dtime") + 6 + 3
            changed = list(self.good.entries)
            changed[index] = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
            evidence = self.good._replace(entries=changed, leaves=None)
            self.expect(evidence, f"T1@{index}")
            bound = 11 if index < 12 else self.size - 1
            self.expect(evidence._replace(checkpoints=few), f"T1@{bound}")


if __name__ == "__main__":
    unittest.main()
