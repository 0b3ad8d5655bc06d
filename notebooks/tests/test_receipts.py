"""Receipts: one that holds, and each way in which one does not."""

import unittest
from hashlib import sha256

import support
import verdict
from salus_verify.note import Key
from salus_verify.receipt import Failure, verify
from support import Raw, checkpoint, encode, leaf, note, path, receipt_text, root, sample, vkey
from verdict import named

ANSWER, SALT, AT = b'{"rows":[[1042]]}', bytes([9]) * 32, 28


def answered(answer=ANSWER):
    """The sample, its last release committed to `answer`."""
    return sample().put(AT, ("body", "answer"), sha256(b"salus/commitment/v1\0" + SALT + answer).digest())


class Receipts(unittest.TestCase):
    def setUp(self):
        self.log = answered()
        self.good = self.log.receipt(AT, ANSWER, SALT)
        self.evidence = self.log.evidence()
        self.before, self.cases = verdict.compared, 0

    def tearDown(self):
        self.assertGreater(self.cases, 0)
        self.assertEqual(verdict.compared - self.before, self.cases if verdict.PROGRAM else 0)

    def expect(self, text, *findings, log=None, **options):
        self.cases += 1
        evidence = log.evidence() if log else self.evidence
        report = verdict.verdict(evidence, str(findings), receipts=[text], **options)
        self.assertEqual(named(report), sorted(findings), [str(finding) for finding in report.findings])

    def test_a_receipt_opens_to_the_answer(self):
        self.expect(self.good)
        self.expect(self.log.receipt(AT, b"42", SALT), f"receipt@{AT}")
        for salt in (bytes(32), SALT[:31], SALT + b"\0", b""):
            self.expect(self.log.receipt(AT, ANSWER, salt), f"receipt@{AT}")
        # An answer may be longer than an entry.
        long = b"x" * (5 << 20)
        log = answered(long)
        self.expect(log.receipt(AT, long, SALT), log=log)

    def test_it_is_of_a_logged_release(self):
        self.expect(self.log.receipt(27, ANSWER, SALT), "receipt@27")
        itself = self.log.put(AT, ("body", "reserve"), AT)
        self.expect(itself.receipt(AT, ANSWER, SALT), f"F3@{AT}", log=itself)
        with self.assertRaises(Failure) as failure:  # by itself, not by the log alone
            verify(itself.receipt(AT, ANSWER, SALT), [Key.parse(vkey(itself.origin, 2))])
        self.assertEqual(failure.exception.args[0][:2], (AT, "F3"))
        unknown = self.log.put(AT, ("v",), 2)
        self.expect(unknown.receipt(AT, ANSWER, SALT), f"F1@{AT}", log=unknown)
        for index in (27, 29, 31, 2**64 - 1):
            self.expect(self.good.replace(f"index {AT}", f"index {index}"), f"T1@{index}")
        # Never logged, though the proof is of what was.
        forged = encode({"v": 1, "kind": "release", "time": 0, "body": {"reserve": 6, "answer": bytes(32)}})
        self.expect(self.log.receipt(AT, ANSWER, SALT, entry=forged), f"T1@{AT}")
        self.expect(self.log.receipt(AT, ANSWER, SALT, entry=b""), f"T1@{AT}")

    def test_the_log_is_the_one_of_the_receipt(self):
        size = len(self.log.entries)
        other = self.log.put(8, ("body", "rule"), "x")
        self.expect(other.receipt(AT, ANSWER, SALT), f"T2@{size - 1}")
        # The entry stands where another one is exported.
        elsewhere = self.log.put(AT, ("time",), 1)
        self.expect(elsewhere.receipt(AT, ANSWER, SALT), f"receipt@{AT}")
        longer = self.log.clone()
        longer.push("refuse", **longer.entries[8]["body"])
        self.expect(longer.receipt(AT, ANSWER, SALT), f"T1@{size}")
        shorter = self.log.clone()
        del shorter.entries[AT + 1 :]
        self.expect(shorter.receipt(AT, ANSWER, SALT))
        # The log as it was before.
        younger = self.log.clone()
        del younger.entries[AT:]
        self.expect(self.good, f"receipt@{AT}", log=younger)

    def test_who_signed(self):
        for n in (1, 2):  # each a key of the log
            self.expect(self.good, vkey=vkey(self.log.origin, n))
        self.expect(self.good, "T2@-", vkey=vkey(self.log.origin, 3))
        self.expect(self.good, "T2@-", vkey="")
        self.expect("junk", "T2@-", "receipt@-", vkey="")
        checkpoint = self.good.rpartition("\n\n")[0].partition("\n\n")[2] + "\n"
        by = lambda n: self.good.partition("\n\n")[0] + "\n\n" + note(checkpoint, self.log.origin, n).decode()  # noqa: E731
        self.expect(by(2))
        self.expect(by(3), f"T2@{AT}")
        # A key of the log, which was no longer in force.
        self.expect(by(1), f"T2@{len(self.log.entries) - 1}")
        other = self.good.replace(f"\n\n{self.log.origin}\n", "\n\nother.example\n")
        self.expect(other, f"T2@{AT}")
        # Signed by the right key, for a log of another name.
        top, text = self.good.rsplit("\n\n", 1)[0].split("\n\n")
        text = text.replace(self.log.origin, "other.example") + "\n"
        self.expect(f"{top}\n\n{note(text, self.log.origin, 2).decode()}", f"T2@{AT}")

    def test_one_from_before_the_key_changed(self):
        log = self.log.put(17, ("body", "answer"), self.log.entries[AT]["body"]["answer"])
        younger = log.clone()
        del younger.entries[20:]
        receipt = younger.receipt(17, ANSWER, SALT)
        self.expect(receipt, log=younger)
        for brought in (None, vkey(log.origin, 1), vkey(log.origin, 2)):
            self.expect(receipt, log=log, vkey=brought)
        self.expect(receipt, "T2@-", log=log, vkey=vkey(log.origin, 3))

    def test_the_form_is_strict(self):
        lines = self.good.split("\n")
        join = "\n".join
        for text in (
            *("", "junk", "\ufeff" + self.good, self.good.replace("\n", "\r\n"), self.good.split("\n\n")[0]),
            *(self.good.replace(*pair) for pair in (("@v1", "@v2"), ("index ", "Index "), ("extra ", "extra"))),
            *(self.good.replace(f"index {AT}", f"index {n}") for n in ("028", "+28", "-1", "28 ", "2_8", 2**64)),
            self.good.replace(f"index {AT}", "index " + "9" * 5000),
            join(lines[:1] + lines[2:]),
            join(lines[:2] + lines[3:]),
            join(lines[:3] + ["AAAA"] + lines[4:]),
            join(lines[:3] + [lines[3]] * 70 + lines[4:]),
        ):
            self.expect(text, "receipt@-")
        for text in (
            self.good.replace("extra ", "extra  "),
            self.good.replace("extra ", "extra ="),
        ):
            self.expect(text, f"receipt@{AT}")
        for at in range(3, lines.index("")):
            self.expect(join(lines[:at] + lines[at + 1 :]), f"T1@{AT}")
            self.expect(join(lines[:at] + lines[at : at + 1] + lines[at:]), f"T1@{AT}")
        for text in (self.good + "\n", self.good[:-1], self.good.split("\n\n")[0] + "\n\n"):
            self.expect(text, f"T2@{AT}")

    def test_the_extra_data(self):
        leaves = [leaf(encode(entry)) for entry in self.log.entries]
        signed = checkpoint(self.log.origin, len(leaves), root(leaves), 2)
        right = {"answer": ANSWER, "entry": encode(self.log.entries[AT]), "salt": SALT}
        text = lambda extra: receipt_text(extra, AT, path(AT, leaves), signed)  # noqa: E731
        self.expect(text(right))
        data = encode(right)
        for wrong in (
            *({**right, "zz": 0}, {**right, "answer": "text"}, {**right, "salt": 0}, {**right, "entry": 0}, [], 0),
            *({name: right[name] for name in right if name != left} for left in right),
            *(Raw(data + b"\0"), Raw(data[:-1]), Raw(b"\xbf" + data[1:] + b"\xff"), Raw(b"")),
        ):
            self.expect(text(wrong), f"receipt@{AT}")

    def test_any_changed_byte(self):
        held = 0
        for at in range(0, len(self.good), 3):
            changed = self.good.encode()
            changed = changed[:at] + bytes([changed[at] ^ 1]) + changed[at + 1 :]
            try:
                text = changed.decode()
            except UnicodeDecodeError:
                continue  # a receipt that is no text is refused before it is read
            self.cases += 1
            report = verdict.verdict(self.evidence, f"receipt byte {at}", receipts=[text])
            held += report.holds
        self.assertGreater(self.cases, 200)
        self.assertEqual(held, 0)


if __name__ == "__main__":
    unittest.main()
