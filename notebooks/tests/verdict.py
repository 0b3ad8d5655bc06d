"""One verdict on one fixture: by the verifier, and by `salus-audit` too where SALUS_AUDIT names it. They must agree."""

import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

import support
from salus_verify.audit import audit
from salus_verify.report import as_json, as_text
from salus_verify.witnesses import Policy

PROGRAM = os.environ.get("SALUS_AUDIT")
compared = 0  # verdicts held against each other; tests assert that it grows
_workplace = None
_written = {}


def facts(document: dict) -> dict:
    """What both programs must say alike: all but the wording."""
    units = lambda loss: {name: loss[name] for name in ("rho_units", "delta_units")}  # noqa: E731
    return {
        "holds": document["holds"],
        "findings": sorted({(f["rule"], -1 if f["index"] is None else f["index"]) for f in document["findings"]}),
        "entries": document["entries"],
        "checkpoints": document["checkpoints"],
        "head": document["head"],
        "kinds": document["kinds"],
        "open": document["open"],
        "cap": document["cap"] and units(document["cap"]),
        "officers": document["officers"],
        "grants": [{**grant, "old": units(grant["old"]), "new": units(grant["new"])} for grant in document["grants"]],
        "reviews": document["reviews"],
        "incidents": [{**incident, "loss": units(incident["loss"])} for incident in document["incidents"]],
        "opening": ends(document["opening"]),
        "sealed": ends(document["sealed"]),
        "witnessed": document["witnessed"],
        "restricted": document["restricted"] and beside(document["restricted"]),
        "totals": [[t["scope"], t["reserves"], units(t["spent"]), units(t["cap"])] for t in document["totals"]],
    }


def beside(report):
    """The restricted log: all but the wording."""
    findings = sorted({(f["rule"], -1 if f["index"] is None else f["index"]) for f in report["findings"]})
    return {**report, "findings": findings}


def ends(record):
    """The opening or the end of a log, its amounts in units."""
    units = lambda loss: {name: loss[name] for name in ("rho_units", "delta_units")}  # noqa: E731
    if record is None:
        return None
    amounts = {name: units(record[name]) for name in ("cap", "spent") if name in record}
    limits = [{**limit, "spent": units(limit["spent"])} for limit in record["limits"]]
    return {**record, **amounts, "limits": limits}


def must_agree(ours: dict, theirs: dict, exit_code: int, say: str) -> None:
    assert exit_code == (0 if ours["holds"] else 1), f"{say}: salus-audit exits {exit_code}, {ours['findings']}"
    differences = {name: (ours[name], theirs[name]) for name in ours if ours[name] != theirs[name]}
    assert not differences, f"{say}: (ours, salus-audit's) differ: {differences}"


def lay_out(evidence) -> Path:
    """The evidence as an export; only files that changed since the last call are written again."""
    global _workplace
    if _workplace is None:
        _workplace = tempfile.TemporaryDirectory()
        for name in ("entries", "checkpoints"):
            (Path(_workplace.name) / name).mkdir()
    directory = Path(_workplace.name)
    files = support.files(evidence)
    for name in set(_written) - set(files):
        (directory / name).unlink()
        del _written[name]
    for name, data in files.items():
        if _written.get(name) != data:
            (directory / name).write_bytes(data)
            _written[name] = data
    return directory


def verdict(evidence, say="", kept=(), receipts=(), vkey=None, policy=None, predecessors=(), restricted=None):
    """The verifier's report, after it was held against that of `salus-audit`."""
    global compared
    report = audit(evidence, kept, receipts, vkey, None if policy is None else Policy(policy), predecessors, restricted)
    document = json.loads(as_json(report))
    assert as_text(report).startswith("HOLDS" if report.holds else "FAILS")
    if PROGRAM:
        options = []
        with tempfile.TemporaryDirectory() as brought:
            texts = [("--checkpoint", data) for data in kept] + [("--receipt", text.encode()) for text in receipts]
            texts += [] if vkey is None else [("--vkey", vkey.encode())]
            texts += [] if policy is None else [("--policy", policy)]
            for n, (option, data) in enumerate(texts):
                (Path(brought) / str(n)).write_bytes(data)
                options += [option, str(Path(brought) / str(n))]
            for n, before in enumerate(predecessors):
                directory = Path(brought) / f"before-{n}"
                for name, data in support.files(before).items():
                    (directory / name).parent.mkdir(parents=True, exist_ok=True)
                    (directory / name).write_bytes(data)
                options += ["--predecessor", str(directory)]
            if restricted:
                second = Path(brought) / "restricted"
                (second / "anchors").mkdir(parents=True)
                opened = {f"anchors/{at:09}": data for at, data in restricted.anchors.items()}
                for name, data in {**support.files(restricted.log), **opened}.items():
                    (second / name).parent.mkdir(parents=True, exist_ok=True)
                    (second / name).write_bytes(data)
                options += ["--restricted", str(second)]
            command = [PROGRAM, str(lay_out(evidence)), "--format", "json", *options]
            done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode in (0, 1), f"{say}: salus-audit: {done.stderr}"
        must_agree(facts(document), facts(json.loads(done.stdout)), done.returncode, say)
        compared += 1
    return report


def named(report) -> list:
    """The findings as `rule@index`, sorted, each once."""
    return sorted({f"{f.rule}@{'-' if f.index is None else f.index}" for f in report.findings})


class Case(unittest.TestCase):
    """Tests that expect findings, each of them held against `salus-audit`."""

    def setUp(self):
        self.before, self.cases = compared, 0

    def tearDown(self):
        self.assertGreater(self.cases, 0)
        self.assertEqual(compared - self.before, self.cases if PROGRAM else 0)

    def expect(self, log, *findings, origin=None, **options):
        self.cases += 1
        evidence = log.evidence(origin) if isinstance(log, support.Log) else log
        report = verdict(evidence, f"{self.id()} {findings}", **options)
        self.assertEqual(named(report), sorted(findings), [str(finding) for finding in report.findings])
        return report
