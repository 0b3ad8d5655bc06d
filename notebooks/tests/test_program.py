"""The command: exit codes, text and JSON, and that nothing that it is given makes it fall over."""

import json
import os
import random
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import support
import verdict
from governed import ANA, governed, officer, review
from salus_verify.audit import audit
from salus_verify.report import as_json, as_text
from support import NOTEBOOKS, SOUND, Evidence, public, sample
from succeeding import next_log, old
from test_witnesses import NAMES, ONE, TIME, TWO, cosignature, witness


def run(*arguments, program=(sys.executable, "-m", "salus_verify"), **environment):
    options = dict(capture_output=True, text=True, cwd=NOTEBOOKS, env={**os.environ, **environment})
    return subprocess.run([*program, *map(str, arguments)], **options)


class Program(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.directory = Path(temporary.name)

    def export(self, name="export", **more) -> Path:
        directory = self.directory / name
        for file, data in {**support.files(support.read(SOUND)), **more}.items():
            (directory / file).parent.mkdir(parents=True, exist_ok=True)
            if data is not None:
                (directory / file).write_bytes(data)
        return directory

    def test_a_log_that_holds_exits_0(self):
        done = run(SOUND)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertTrue(done.stdout.startswith("HOLDS: 23 entries, 22 checkpoints"), done.stdout)
        for part in ("open reserves (they stay spent): 20", "7 reserves, spent rho 0.023909265622", "\nverified:\n"):
            self.assertIn(part, done.stdout)
        for part in ("attested only, not recomputed:", "outside of what any log can show:"):
            self.assertIn(part, done.stdout)
        self.assertEqual(run(SOUND, PYTHONIOENCODING="ascii").returncode, 0)
        self.assertEqual(run("--help").returncode, 0)

    def test_json_says_the_same(self):
        document = json.loads(run(SOUND, "--json").stdout)
        self.assertEqual((document["holds"], document["findings"], document["entries"]), (True, [], 23))
        self.assertEqual(document["totals"][0]["spent"]["rho_units"], str(support.fixture_log().spent()["rho"]))
        self.assertGreater(len(document["attested"]), 20)

    def test_a_log_that_fails_exits_1_and_names_rule_and_entry(self):
        data = support.read(SOUND).entries[17]
        directory = self.export(**{"entries/000000017.cbor": data[:-1] + b"\0"})
        done = run(directory)
        self.assertEqual(done.returncode, 1)
        self.assertTrue(done.stdout.startswith("FAILS"))
        self.assertIn("T1 entry 17: ", done.stdout)
        done = run(directory, "--json")
        self.assertEqual(done.returncode, 1)
        self.assertIn(("T1", 17), {(f["rule"], f["index"]) for f in json.loads(done.stdout)["findings"]})

    def test_what_the_auditor_brings_along(self):
        receipts = sorted((SOUND / "receipts").iterdir())
        checkpoint = SOUND / "checkpoints/000000012"
        all_kinds = ["--vkey", SOUND / "ledger.vkey", "--checkpoint", checkpoint, "--receipt", receipts[0]]
        self.assertEqual(run(SOUND, *all_kinds, "--receipt", receipts[1]).returncode, 0)
        self.assertEqual(run(SOUND, "--checkpoint", receipts[0]).returncode, 1)
        self.assertEqual(run(SOUND, "--receipt", checkpoint).returncode, 1)
        self.assertEqual(run(SOUND, "--vkey", checkpoint).returncode, 1)

    def test_the_log_before_this_one(self):
        before = old()
        for name, log in (("old", before), ("new", next_log(before))):
            for file, data in support.files(log.evidence()).items():
                (self.directory / name / file).parent.mkdir(parents=True, exist_ok=True)
                (self.directory / name / file).write_bytes(data)
        old_dir, new_dir = self.directory / "old", self.directory / "new"
        done = run(new_dir)
        self.assertEqual((done.returncode, "attested, bring it to compare" in done.stdout, "(E3)" in done.stdout), (0, True, False))
        done = run(new_dir, "--predecessor", old_dir)
        self.assertEqual((done.returncode, "compared with it" in done.stdout, "(E3)" in done.stdout), (0, True, True))
        self.assertIn("seal 10: salus.example/after goes on", done.stdout)
        done = run(new_dir, "--predecessor", SOUND)
        self.assertEqual((done.returncode, "E3 entry 0" in done.stdout), (1, True))
        self.assertEqual(run(new_dir, "--predecessor", self.directory / "nowhere").returncode, 2)

    def test_a_policy_of_witnesses(self):
        log = support.read(SOUND)
        newest = log.checkpoints[23]
        directory = self.export(**{"checkpoints/000000023": newest + cosignature(newest, ONE)})
        policy = self.directory / "policy"
        known = f"log {log.vkey}witness first {witness(ONE)}\nwitness second {witness(TWO)}\n"
        for quorum, code in (("none", 0), ("first", 0), ("second", 1)):
            policy.write_text(known + f"quorum {quorum}\n")
            done = run(directory, "--policy", policy)
            self.assertEqual((done.returncode, "W1 entry 22" in done.stdout), (code, code == 1), done.stdout)
            self.assertIn(f"\nwitness first ({NAMES[ONE]}): cosigned at second {TIME}\n", done.stdout)
            self.assertIn(f"\nwitness second ({NAMES[TWO]}): not cosigned\n", done.stdout)
            self.assertIn("(W1)", done.stdout)
            document = json.loads(run(directory, "--policy", policy, "--json").stdout)
            self.assertEqual(document["witnessed"], [{"witness": "first", "key": NAMES[ONE], "time": TIME}])
        self.assertNotIn("(W1)", run(directory).stdout)
        for text, said in ((known, "no quorum"), (known + "delegate first\n", "line 4: unknown directive delegate")):
            policy.write_text(text)
            done = run(directory, "--policy", policy)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertEqual(done.stderr, f"salus_verify: {policy}: {said}\n")
            if verdict.PROGRAM:
                self.assertEqual(run(directory, "--policy", policy, program=[verdict.PROGRAM]).returncode, 2)
        self.assertEqual(run(directory, "--policy", self.directory / "none").returncode, 2)

    def test_those_who_watch_are_named(self):
        log, at = governed()
        report = verdict.verdict(log.evidence())
        text = as_text(report)
        for line in (
            "cap in force: rho 0.449574881721 delta 0.0000005",
            f"officer ana: since entry {at['ana']}, self-named, active",
            f"officer bo: since entry {at['bo']}, self-named, until entry {at['end']}",
            f"officer cy: since entry {at['cy']}, approved, active",
            f"grant {at['grant']}: space:county from rho 0.176726471189 delta 0.0000005 to rho 0.449574881721 delta 0.0000005, app",
            f"review {at['review']}: p-auditor looked at entries 2 to {at['reserve']}, approved by nobody",
            f"incident {at['incident']}: reserve 16 cost rho 0.136424205266 delta 0 more than it said, approved by ana",
        ):
            self.assertIn("\n" + line, text)
        document = json.loads(as_json(report))
        self.assertEqual(document["cap"]["rho_units"], str(log.cap()["rho"]))
        self.assertEqual(document["totals"][0]["cap"], document["cap"])
        cy = {"name": "cy", "public": public(13).hex(), "since": at["cy"], "self_named": False}
        self.assertEqual(document["officers"][2], {**cy, "active": True, "until": None})
        for name, places in (("grants", ("first grant", "grant")), ("reviews", ("review", "approved"))):
            self.assertEqual([each["entry"] for each in document[name]], [at[place] for place in places])
        self.assertEqual([each["approved_by"] for each in document["incidents"]], [[], ["ana"]])
        self.assertIsNone(document["witnessed"])

    def test_what_cannot_be_read_exits_2(self):
        cases = [
            ([self.directory], "entries"),
            (["/no/such/directory"], "/no/such/directory"),
            ([], "directory"),
            ([SOUND, SOUND], "unrecognized"),
            ([SOUND, "--jso"], "unrecognized"),
            ([SOUND, "--receipt", "/no/such/receipt"], "/no/such/receipt"),
            ([SOUND, "--receipt"], "argument"),
        ]
        for number, (name, data, why) in enumerate(
            [
                ("leaves", bytes(33), "32-byte"),
                ("entries/17.cbor", b"", "17.cbor"),
                ("entries/999999999.cbor", b"", "missing"),
                ("entries/\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661.cbor", b"", "belongs"),
                ("checkpoints/README", b"", "README"),
                ("checkpoints/000000005.txt", b"", "belongs"),
                ("ledger.vkey", b"\xff", "not text"),
                ("ledger.vkey", None, "ledger.vkey"),
            ]
        ):
            cases.append(([self.export(str(number), **{name: data})], why))
        with_directory = self.export("directory")
        (with_directory / "entries/000000023.cbor").mkdir()
        cases.append(([with_directory], "000000023.cbor"))
        for arguments, why in cases:
            done = run(*arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""), arguments)
            self.assertIn(why, done.stderr)
            self.assertNotIn("Traceback", done.stderr)
            if verdict.PROGRAM and "argument" not in why and "unrecognized" not in why:
                self.assertEqual(run(*arguments, program=[verdict.PROGRAM]).returncode, 2, arguments)

    def test_the_log_cannot_write_lines_of_the_report(self):
        log, space = sample(), "x\nHOLDS: 99 entries \x1b[2J"
        for entry in log.entries:
            body = entry["body"]
            if "space" in body:
                body["space"] = space
            for account in body.get("accounts", ()):
                account["scope"] = "space:" + space
        officer(log, ANA, space)
        review(log, 0, 5, principal=space)
        for changed in (log, log.put(8, ("body", "\nHOLDS: \x1b[2J"), 0)):
            text = as_text(verdict.verdict(changed.evidence()))
            self.assertEqual(sum(line.startswith("HOLDS") for line in text.split("\n")[1:]), 0)
            self.assertNotIn("\x1b", text)

    def test_a_reader_that_closes_early_is_no_failure_and_a_full_disk_is_one(self):
        for sink, said in (("| true", "0"), ("> /dev/full", "2")):
            script = f"{sys.executable} -m salus_verify {SOUND} --json {sink}; echo ${{PIPESTATUS[0]}}"
            done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=NOTEBOOKS)
            self.assertEqual(done.stdout.strip(), said)
            self.assertNotIn("Traceback", done.stderr)


class Chance(unittest.TestCase):
    """Seeded, so that a failure comes again."""

    def test_one_change_by_chance_is_judged_alike(self):
        good, before, held = governed()[0].evidence(), verdict.compared, 0
        chance = random.Random(2)
        for number in range(1500):
            entries, leaves, checkpoints = list(good.entries), list(good.leaves), dict(good.checkpoints)
            index = chance.randrange(len(entries))
            at, byte = chance.randrange(len(entries[index])), bytes([chance.randrange(256)])
            data, kind = entries[index], chance.randrange(7)
            if kind == 0:
                entries[index] = data[:at] + byte + data[at + 1 :]
            elif kind == 1:
                entries[index] = data[:at]
            elif kind == 2:
                entries[index] = data[:at] + byte + data[at:]
            elif kind == 3:
                entries[index] = data[:at] + data[at + 1 :]
            elif kind == 4:
                del entries[index]
            elif kind == 5:
                entries.insert(index, entries[chance.randrange(len(entries))])
            else:
                size = chance.choice(list(checkpoints))
                note, at = checkpoints[size], chance.randrange(len(checkpoints[size]))
                checkpoints[size] = note[:at] + byte + note[at + 1 :]
            evidence = Evidence(entries, leaves if chance.random() < 0.7 else None, checkpoints, good.vkey)
            same = (entries, checkpoints) == (good.entries, good.checkpoints)
            report = verdict.verdict(evidence, f"number {number}, kind {kind}")
            self.assertEqual(report.holds, same, f"number {number}, kind {kind}")
            held += report.holds
        self.assertLess(held, 30)
        self.assertEqual(verdict.compared - before, 1500 if verdict.PROGRAM else 0)

    def test_junk_neither_holds_nor_falls_over(self):
        chance = random.Random(3)
        junk = lambda most: chance.randbytes(chance.randrange(most))  # noqa: E731
        pieces = [b"\n\n", "\u2014 ".encode(), b"salus", b"+", b" ", b"AAAA", b"23", b"\n", b"c2sp.org/tlog-proof@v1\n"]
        words = lambda: b"".join(chance.choice(pieces) for _ in range(chance.randrange(20)))  # noqa: E731
        for _ in range(2000):
            checkpoints = {n: chance.choice([junk(200), words()]) for n in range(chance.randrange(3))}
            leaves = chance.choice([None, [chance.randbytes(32) for _ in range(chance.randrange(4))]])
            vkey, receipt = (chance.choice([junk(60), words()]).decode(errors="ignore") for _ in range(2))
            entries = [junk(80) for _ in range(chance.randrange(4))]
            report = audit(Evidence(entries, leaves, checkpoints, vkey), [junk(9)], [receipt])
            self.assertFalse(report.holds)
            self.assertTrue(as_text(report).startswith("FAILS") and json.loads(as_json(report))["findings"])


if __name__ == "__main__":
    unittest.main()
