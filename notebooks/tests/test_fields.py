"""Every field of every kind is changed, the log hashed and signed afresh, and the change must be found, or not, as the
table in docs/proofs/checker-rules.md says. The table is read from the document, so the two cannot part."""

import unittest

import support
import verdict
from governed import approved_again, reviewed_again
from salus_verify.report import ATTESTED
from support import REPOSITORY, Raw
from test_limits import limited
from windowed import windowed

WORDS = (
    ["", "persons", "rows", "sum", "centred_sum", "centred_square", "values", "tree", "failed", "dropped"]
    + ["S0", "S0p", "S1", "S2", "S3", "S4", "S5", "S6", "S8", "RELEASE", "claims", "main", "one-person", "county", "space", "dataset", "analyst", "purpose"]
    + ["space:county", "genesis", "release", "\u00e9"]
)
# What the format excludes or writes in one way only: each in place of each item.
REFUSED = [
    bytes.fromhex(text)
    for text in (
        "f6 f7 20 f90000 fa00000000 fb0000000000000000 c000 1805 190005 1a00000005 1b0000000000000005 5801ff 780161 "
        "5f4101ff 7f6161ff 9fff bfff f814 f4ff e0 ff 1c 1f 62c328 63eda080 a2616100616100 a2616200616100 a10000 "
        "1cffffffffffffffffffffffffffffffff 5c00000000000000010000000000000000 "
        "5bffffffffffffffff 9bffffffffffffffff 818181818181818181818181818181818100"
    ).split()
]


def table() -> dict:
    """(kind, field) to (standing, rules)."""
    lines = (REPOSITORY / "docs/proofs/checker-rules.md").read_text().split("\n")
    first = next(n for n, line in enumerate(lines) if line.startswith("| kind | field |"))
    result = {}
    for line in lines[first + 2 :]:
        if not line.startswith("|"):
            break
        kind, field, standing, rules = (cell.strip() for cell in line.split("|")[1:5])
        result[kind, field.strip("`")] = (standing, {rule.strip() for rule in rules.split(",")} - {""})
    return result


def of_succession(kind: str, field: str) -> bool:
    """What a log says of the one before it, and of its own end: see test_succession."""
    return kind == "seal" or kind == "genesis" and field.startswith(("predecessor.", "approvals"))


def field_of(kind: str, where: tuple) -> tuple:
    """The table's name of the item at `where`."""
    name = ""
    for part in where:
        name += "[]" if isinstance(part, int) else ("." if name else "") + part
    for rational in ("sensitivity2[]", "sigma[]"):
        if name.endswith(rational):
            name = name[:-2]
    return (kind, name[5:]) if name.startswith("body.") else ("entry", name)


def walk(item, where=()):
    yield where, item
    pairs = item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ()
    for part, below in pairs:
        yield from walk(below, where + (part,))


def other_values(item) -> list:
    """Other values of the same type, near and far."""
    if isinstance(item, bool):
        values = [not item]
    elif isinstance(item, int):
        # 5, 7 and 20: a snapshot, a release and an open reserve of the sample, which may be cited instead.
        values = [0, 1, 2, 5, 7, 20, max(item - 1, 0), item + 1, item * 2, 2**40, 2**64 - 1]
        values = [min(value, 2**64 - 1) for value in values]
    elif isinstance(item, bytes):
        edges = [bytes([item[0] ^ 1]) + item[1:], item[:-1] + bytes([item[-1] ^ 1])] if item else []
        edges += [item[:-1] + bytes([item[-1] + 1])] if item and item[-1] < 255 else []
        values = edges + [bytes(len(item)), b"", item + b"\0", b"\0" + item, b"\1", b"\2", b"\1" * 1024, b"\1" * 1025]
    elif isinstance(item, str):
        values = WORDS + [item + "x"]
    else:
        values = []
    return [value for value in values if value != item]


def other_shapes(item) -> list:
    """Other lists and maps, with something more, less or elsewhere."""
    if isinstance(item, list):
        values = [[], item + item, item[:-1], item[1:], item[::-1], item + [0]]
        return [value for value in values if value != item]
    if isinstance(item, dict):
        fewer = [{name: value for name, value in item.items() if name != left} for left in item]
        return fewer + [{}, {**item, "zz": 0}, {**item, "a": 0}]
    return []


class Fields(unittest.TestCase):
    maxDiff = None

    # One entry of each kind, and reserves that between them have all aggregates.
    CHANGED = [0, 1, 2, 3, 4, 5, 6, 8, 12, 16, 26, 28, 29, 30]

    def setUp(self):
        self.log, policy = limited()
        asked = {"principal": "p-1", "roles": ["analyst"], "purpose": "PUBHLTH", "question": support.leaf(b"again")}
        self.log.push("policy", version=100, sha256=bytes(32), query_rho=1 << 60)
        self.log.push("reuse", release=22, **asked)
        self.log, at = windowed(self.log)
        # Those with limits: the policy, a reserve under it, an answer that is repeated, and one without limits.
        self.changed_here = [*self.CHANGED, policy, policy + 1, policy + 5, policy + 7]
        # Officers who name themselves, are approved, approve nothing, go; a grant after another; reviews; grants of windows.
        self.approved = [at[name] for name in ("cy", "incident", "grant", "approved", "opened", "unused")]
        self.overseen = self.approved + [at[name] for name in ("ana", "eve", "end", "review")]
        self.changed_here += self.overseen
        self.log.sizes = [12, len(self.log.entries)]  # few, to save time
        self.before = verdict.compared
        self.cases = 0

    def changed(self, index, where, new, signed=False):
        """With reviews of what there is now, and where this is `signed`, by those who signed it before."""
        log = self.log.put(index, where, new)
        body = log.entries[index]["body"] if signed else {}
        if "approvals" in body and "approvals" not in where:
            approved_again(log, index, origin=self.log.origin)
        if "signature" in body and "signature" not in where:
            log.endorse(index, 1)
        reviewed_again(log, index, origin=self.log.origin)
        self.cases += 1
        return verdict.verdict(log.evidence(origin=self.log.origin), f"entry {index} {where} = {str(new)[:60]}")

    def tearDown(self):
        self.assertEqual(verdict.compared - self.before, self.cases if verdict.PROGRAM else 0)

    def test_every_changed_field_is_found_or_listed_as_attested(self):
        lines, found, silent = table(), set(), set()
        self.assertGreater(len(lines), 60)
        for index in self.changed_here:
            kind = self.log.entries[index]["kind"]
            for where, item in walk(self.log.entries[index]):
                for new in other_values(item):
                    field = field_of(kind, where)
                    standing, rules = lines[field]
                    report = self.changed(index, where, new, signed=True)
                    by_rule = any(finding.rule in rules for finding in report.findings)
                    by_form = any((finding.rule, finding.index) == ("F1", index) for finding in report.findings)
                    say = f"entry {index} {where} = {new!r}: {verdict.named(report)}"
                    self.assertTrue(by_rule or by_form or (standing != "V" and report.holds), say)
                    self.assertFalse(by_rule and standing == "A", say)
                    found |= {field} if by_rule else set()
                    silent |= {field} if report.holds else set()
        self.assertGreater(self.cases, 3000)
        # Each line of the table is met, and a limited field shows both.
        shown = {field: ("V\u2264" if field in silent else "V") if field in found else "A" for field in found | silent}
        self.assertEqual(shown, {field: standing for field, (standing, _) in lines.items() if not of_succession(*field)})

    def test_what_was_signed_cannot_be_changed_by_others(self):
        for index in (26, *self.approved):
            rule = "K1" if index == 26 else "A1"
            for where, item in walk(self.log.entries[index]["body"], ("body",)):
                for new in other_values(item):
                    named = verdict.named(self.changed(index, where, new))
                    self.assertTrue({f"{rule}@{index}", f"F1@{index}"} & set(named), f"entry {index} {where} = {new!r}")
        self.assertGreater(self.cases, 500)

    def test_every_other_shape_is_refused_or_judged_alike(self):
        held = set()
        for index in self.changed_here:
            for where, item in walk(self.log.entries[index]):
                for new in other_shapes(item):
                    if self.changed(index, where, new).holds:
                        held.add(field_of("", where)[1])
        self.assertGreater(self.cases, 600)
        # Other roles are attested; inputs and mechanisms may stand in another order; reviews and incidents need no
        # approval. Nothing else may hold.
        self.assertEqual(held, {"roles", "certificate.steps[].inputs", "certificate.mechanisms", "limits[]", "body"})

    def test_what_the_format_excludes_fails_f1_wherever_it_stands(self):
        for index in (0, 6, 8, 30, self.approved[0], self.approved[3]):
            for where, _ in walk(self.log.entries[index]):
                words = [] if where[-1:] == ("active",) else [b"\xf4", b"\xf5"]  # no other field is true or false
                for data in REFUSED + words:
                    report = self.changed(index, where, Raw(data))
                    self.assertIn(f"F1@{index}", verdict.named(report), f"{where} {data.hex()}")
        self.assertGreater(self.cases, 3000)

    def test_the_report_lists_the_attested_fields_of_the_document(self):
        lines = table()
        attested = {field for field, (standing, _) in lines.items() if standing == "A"}
        # What is held against others and still is somebody's word: who asked, when, what for; whose an officer's key is.
        said = {("entry", "time"), ("reserve", "principal"), ("reserve", "purpose"), ("reuse", "principal")}
        said |= {("officer", "name")}
        self.assertTrue(all(lines[field][0] == "V\u2264" for field in said))
        attested |= said
        self.assertEqual({(kind, field) for kind, fields in ATTESTED.items() for field in fields}, attested)
        self.assertGreater(len(attested), 20)


if __name__ == "__main__":
    unittest.main()
