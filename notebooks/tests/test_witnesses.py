"""Rule W1: cosignatures of the newest checkpoint, and the policy that says whose are asked for."""

import base64
import subprocess
import tempfile
import unittest

import verdict
from salus_verify.findings import Malformed
from salus_verify.note import COSIGNATURE, Checkpoint, Key
from salus_verify.witnesses import Policy
from support import SOUND, b64, checkpoint, key_id, public, root, sample, signing_key, vkey

ONE, TWO, THREE, STRANGER = 21, 22, 23, 24  # keys of witnesses
NAMES = {ONE: "witness.example/one", TWO: "two", THREE: "dritte-größe", STRANGER: "stranger"}
TIME = 1_790_000_100


def witness(n: int) -> str:
    return vkey(NAMES[n], n, COSIGNATURE)


def text_of(signed: bytes) -> bytes:
    return signed.partition(b"\n\n")[0] + b"\n"


def cosignature(signed: bytes, n: int, time: int = TIME, name=None, over: bytes = None, by=None) -> bytes:
    """One more line for a checkpoint."""
    name = name or NAMES[n]
    text = text_of(signed) if over is None else over
    made = signing_key(by or n).sign(f"cosignature/v1\ntime {time}\n".encode() + text)
    data = key_id(name, public(n), COSIGNATURE) + time.to_bytes(8, "big") + made
    return f"\u2014 {name} {b64(data)}\n".encode()


class Witnesses(verdict.Case):
    def setUp(self):
        super().setUp()
        self.log = sample()
        self.good = self.log.evidence()
        self.size = len(self.good.entries)
        self.newest = self.good.checkpoints[self.size]
        self.short = f"W1@{self.size - 1}"

    def policy(self, quorum, *groups, log=None, n=2):
        log = f"log {vkey(self.log.origin, n)} https://salus.example/log" if log is None else log
        known = [f"witness {name} {witness(key)}" for name, key in (("A", ONE), ("B", TWO), ("C", THREE))]
        return "\n".join([log, *known, *groups, f"quorum {quorum}", ""]).encode()

    def cosigned(self, *lines):
        return self.good._replace(checkpoints={**self.good.checkpoints, self.size: self.newest + b"".join(lines)})

    def by(self, *keys):
        return self.cosigned(*(cosignature(self.newest, n) for n in keys))

    def test_the_quorum(self):
        nested = ("group few any A B", "group all-of-it all few C")
        for keys, quorum, groups, met in (
            ((), "none", (), True),
            ((), "A", (), False),
            ((ONE,), "A", (), True),
            ((TWO,), "A", (), False),
            ((ONE, TWO), "g", ("group g 2 A B C",), True),
            ((THREE, ONE), "g", ("group g 2 A B C",), True),
            ((THREE,), "g", ("group g 2 A B C",), False),
            ((THREE,), "g", ("group g any A B C",), True),
            ((), "g", ("group g any A B C",), False),
            ((ONE, TWO, THREE), "g", ("group g all A B C",), True),
            ((ONE, TWO), "g", ("group g all A B C",), False),
            ((TWO, THREE), "all-of-it", nested, True),
            ((ONE, TWO), "all-of-it", nested, False),
            ((THREE,), "all-of-it", nested, False),
        ):
            report = self.expect(self.by(*keys), *[] if met else [self.short], policy=self.policy(quorum, *groups))
            known = (("A", ONE), ("B", TWO), ("C", THREE))
            self.assertEqual(report.cosigned, [(name, NAMES[n], TIME if n in keys else None) for name, n in known])

    def test_a_forged_cosignature(self):
        one = self.policy("A")
        other = self.good.checkpoints[self.size - 1]
        for line in (
            cosignature(self.newest, ONE, by=TWO),
            cosignature(self.newest, ONE, name="another"),
            cosignature(other, ONE),
            cosignature(self.newest, ONE, over=b""),
            cosignature(self.newest, ONE, over=self.newest),
            cosignature(self.newest, ONE, time=1 << 63),
            cosignature(self.newest, STRANGER),
            cosignature(self.newest, STRANGER, name=NAMES[ONE]),
        ):
            self.expect(self.cosigned(line), self.short, policy=one)
        self.expect(self.cosigned(cosignature(self.newest, ONE, time=(1 << 63) - 1)), policy=one)
        # The time is signed; a plain signature of the note is none of a witness; and all bytes are needed.
        own = key_id(NAMES[ONE], public(ONE), COSIGNATURE)
        right = base64.b64decode(cosignature(self.newest, ONE).split()[2])
        plain = key_id(NAMES[ONE], public(ONE)) + signing_key(ONE).sign(text_of(self.newest))
        later = own + (TIME + 1).to_bytes(8, "big") + right[12:]
        untimed = own + signing_key(ONE).sign(text_of(self.newest))
        for data in (later, plain, untimed, right[:-1], right + b"\0", *(right[:length] for length in (5, 11, 12, 13))):
            self.expect(self.cosigned(f"\u2014 {NAMES[ONE]} {b64(data)}\n".encode()), self.short, policy=one)
        # One wrong line of a witness whom the policy knows is enough, whoever else has cosigned.
        forged = cosignature(self.newest, ONE, by=TWO)
        either = self.policy("g", "group g any A B")
        for n in (ONE, TWO):
            self.expect(self.cosigned(forged, cosignature(self.newest, n)), self.short, policy=either)
            self.expect(self.by(n), self.short, policy=either, kept=[self.newest + forged])
        again = cosignature(self.newest, ONE, time=TIME + 1)
        report = self.expect(self.cosigned(again, cosignature(self.newest, ONE)), policy=one)
        self.assertEqual(report.cosigned[0][2], TIME + 1)

    def test_only_those_of_the_newest_checkpoint_count(self):
        older = self.good.checkpoints[self.size - 1]
        checkpoints = {**self.good.checkpoints, self.size - 1: older + cosignature(older, ONE)}
        self.expect(self.good._replace(checkpoints=checkpoints), self.short, policy=self.policy("A"))

    def test_a_cosigned_copy_that_the_auditor_kept(self):
        self.expect(self.good, policy=self.policy("A"), kept=[self.newest + cosignature(self.newest, ONE)])
        # It may be newer than the export; then what it covers is missing.
        leaves = [*self.good.leaves, bytes(32)]
        newer = checkpoint(self.log.origin, self.size + 1, root(leaves), 2)
        newer += cosignature(newer, ONE)
        self.expect(self.good, f"T1@{self.size}", policy=self.policy("A"), kept=[newer])

    def test_witnesses_change_nothing_else(self):
        line = cosignature(self.newest, ONE)
        self.expect(self.cosigned(line))
        self.expect(self.cosigned(cosignature(self.newest, ONE, by=TWO)))

    def test_the_log_is_one_of_the_policy(self):
        self.expect(self.good, policy=self.policy("none"))
        self.expect(self.good, policy=self.policy("none", n=1))  # a key of before
        self.expect(self.good, "W1@-", policy=self.policy("none", n=3))
        self.expect(self.good, "W1@-", policy=self.policy("none", log=""))
        self.expect(self.good, "W1@-", policy=self.policy("none", log=f"log {vkey('other.example', 2)}"))
        many = "\n".join(f"log {vkey(name, n)}" for name, n in ((self.log.origin, 3), (self.log.origin, 2), ("x", 4)))
        self.expect(self.good, policy=self.policy("none", log=many))

    def test_without_a_checkpoint_nothing_is_cosigned(self):
        bare = self.good._replace(checkpoints={})
        self.expect(bare, "T1@-", "W1@-", policy=self.policy("A"))

    def test_without_a_policy_nobody_is_asked(self):
        self.assertIsNone(self.expect(self.by(ONE)).cosigned)

    def test_the_example_of_the_c2sp(self):
        """The form: of its witness no key is known."""
        signed = (
            "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
            "\u2014 example.com/behind-the-sofa "
            "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
            "\u2014 witness.example.com/w1 "
            "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
        )
        parsed = Checkpoint.parse(signed.encode())
        name, _, signature = parsed.note.signatures[1]
        self.assertEqual((name, len(signature)), ("witness.example.com/w1", 72))
        self.assertEqual(int.from_bytes(signature[:8], "big"), 1679315147)
        self.assertFalse(parsed.note.signed_by(Key(name, public(ONE), COSIGNATURE)))
        self.expect(self.good)


class Policies(unittest.TestCase):
    WITNESS = f"witness A {witness(ONE)}\nwitness B {witness(TWO)}\n"
    LOG = f"log {vkey('salus.example', 2)}\n"

    def judged_alike(self, policy: bytes, refused: bool):
        """By `salus-audit`, where there is one."""
        if verdict.PROGRAM:
            with tempfile.NamedTemporaryFile() as file:
                file.write(policy)
                file.flush()
                command = [verdict.PROGRAM, str(SOUND), "--policy", file.name]
                done = subprocess.run(command, capture_output=True, text=True)
            self.assertEqual(done.returncode == 2, refused, (policy, done.stderr))

    def test_the_form(self):
        for text in (
            "quorum none",
            "quorum none\n",
            "\t quorum \t none \t\n",
            "# comment\n   #another\n\n \t \nquorum none\n#",
            self.LOG + self.WITNESS + "group g all A B\nquorum g\n",
            self.LOG + self.WITNESS + "group A-and-B 2 A B\nquorum A\n",
            self.WITNESS + "quorum B\n" + self.LOG + "group g 1 B A\ngroup \u00e9 any g\n",
            f"witness A {witness(ONE)} https://witness.example/\nquorum A\n",
            f"{self.LOG[:-1]} https://log.example/ü\nquorum none\n",
        ):
            Policy(text.encode())
            self.judged_alike(text.encode(), refused=False)
        opaque = self.WITNESS.encode() + b"group \xff any A\nquorum \xff\n"
        Policy(opaque)
        self.judged_alike(opaque, refused=False)

    def test_what_is_refused(self):
        a, b = f"witness A {witness(ONE)}\n", f"witness B {witness(TWO)}\n"
        for text, said in (
            ("", "quorum"),
            (a, "quorum"),
            ("quorum none\nquorum none\n", "line 2"),
            ("quorum\n", "line 1"),
            ("quorum A\n" + a, "line 1: no witness or group A"),
            (a + "quorum B\n", "line 2"),
            (a + "quorum A B\n", "line 2"),
            (a + "quorum A # why\n", "line 2"),
            ("Quorum none\n", "unknown directive Quorum"),
            ("delegate x\nquorum none\n", "line 1: unknown directive delegate"),
            (a + a + "quorum none\n", "line 2: A"),
            (a + a.replace(" A ", " AA ") + "quorum none\n", "line 2: the same key"),
            (a.replace(" A ", " none ") + "quorum none\n", "line 1: none"),
            (a + "group none any A\nquorum none\n", "line 2: none"),
            (a + "group A any A\nquorum A\n", "line 2: A"),
            (a + b + "group g any A\ngroup g any B\nquorum g\n", "line 4: g"),
            (a + "group g any none\nquorum g\n", "line 2: no witness or group none"),
            (a + "group g any g\nquorum g\n", "line 2: no witness or group g"),
            (a + "group g any B\n" + b + "quorum g\n", "line 2: no witness or group B"),
            (a + "group g any A A\nquorum g\n", "line 2: A is a member"),
            (a + b + "group g any A\ngroup h any A B\nquorum h\n", "line 4: A is a member"),
            *((a + f"{words}\nquorum g\n", "line 2: group <") for words in ("group", "group g", "group g any")),
            (a + "group g 0 A\nquorum g\n", "line 2: 0 of 1"),
            (a + "group g 2 A\nquorum g\n", "line 2: 2 of 1"),
            (a + "group g 01 A\nquorum g\n", "line 2: not a plain"),
            (a + "group g -1 A\nquorum g\n", "line 2: not a plain"),
            (a + "group g most A\nquorum g\n", "line 2: not a plain"),
            (self.LOG + self.LOG + "quorum none\n", "line 2: the same key"),
            (self.LOG + f"log {vkey('other.example', 2)}\nquorum none\n", "line 2: the same key"),
            ("log\nquorum none\n", "line 1: log <"),
            (self.LOG[:-1] + " x y\nquorum none\n", "line 1: log <"),
            ("witness A\nquorum none\n", "line 1: witness <"),
            (a[:-1] + " x y\nquorum none\n", "line 1: witness <"),
            (f"log {witness(ONE)}\nquorum none\n", "line 1: not an Ed25519 key of signature type 1"),
            (f"witness A {vkey('one', 1)}\nquorum A\n", "line 1: not an Ed25519 key of signature type 4"),
            (f"witness A {witness(ONE)[:-4]}AAA=\nquorum A\n", "line 1: "),
            (f"witness A {vkey('x', ONE, COSIGNATURE).replace('x+', 'y+')}\nquorum A\n", "line 1: the key's id"),
            ("quorum none\r\n", "line 1: a control character"),
            ("quorum none\n\x0c\n", "line 2: a control character"),
            ("# \x00\nquorum none\n", "line 1: a control character"),
            ("quorum none\n# \x7f\n", "line 2: a control character"),
        ):
            with self.assertRaises(Malformed, msg=text) as raised:
                Policy(text.encode())
            self.assertIn(said, str(raised.exception), text)
            self.judged_alike(text.encode(), refused=True)


if __name__ == "__main__":
    unittest.main()
