"""Rules about entries among each other: F2 (the beginning), F3 (what is cited), B2 (endings), R1 (reviews). What others
say of the price, the purse, the limits and the signatures of an entry is collected here.

An entry is (kind, body), or None where it cannot be read or is missing. What is unknown is already a failure, so it is
not held against the entries that cite it or build on it.
"""

from . import prices
from .amounts import within
from .entries import DELTA_ONE
from .findings import Finding
from .limits import SHARES, Limits
from .purse import Purse
from .signers import Signers
from .succession import Succession
from .ticks import Ticks


class Books:
    """One pass over the log. `findings`, `reserves`, `open`, and what the others keep, are the result.

    `trees` have the root of each prefix, by the entries' bytes and by the stored leaf hashes; but nobody knows it from
    `gap` on, where an entry has no bytes.
    """

    def __init__(self, entries, trees, gap=None):
        self.entries = entries
        self.findings = []
        self.reserves = []
        self._trees = trees
        self._gap = len(entries) if gap is None else gap
        self._ended = set()
        self._newest_policy = None
        self._newest_catalog = {}
        self._parts = {}  # of datasets, by name: their tables
        first = entries[0] if entries else None
        self.genesis = first[1] if first and first[0] == "genesis" else None
        self.limits = Limits(self.genesis)
        self.purse = Purse(self.genesis)
        self.signers = Signers(self.genesis)
        self.succession = Succession(self.genesis)
        self.ticks = Ticks(self.genesis)
        self._beginning()
        for index, entry in enumerate(entries):
            self.findings += [Finding(index, rule, what) for rule, what in self.succession.after()]
            if entry is None:
                for account in (self.purse, self.signers, self.limits, self.ticks):
                    account.unreadable()
            else:
                kind, body = entry
                said = (*self.signers.approvals(index, kind, body), *getattr(self, "_" + kind)(index, body))
                for rule, what in (*said, *self.ticks.check(index, kind, body)):
                    self.findings.append(Finding(index, rule, what))

    @property
    def open(self):
        """Reserves without an ending: nobody saw an answer, and they stay spent."""
        return [index for index in self.reserves if index not in self._ended]

    def root_at(self, size):
        """The root over the first entries, by their bytes."""
        return self._trees[0][size]

    def of(self, kind):
        """Index and body of each entry of a kind."""
        return [(index, entry[1]) for index, entry in enumerate(self.entries) if entry and entry[0] == kind]

    def _beginning(self):
        for index, kind in enumerate(("genesis", "key")):
            if index >= len(self.entries):
                self.findings.append(Finding(index, "F2", f"missing: it must be a {kind}"))
            elif self.entries[index] and self.entries[index][0] != kind:
                self.findings.append(Finding(index, "F2", f"it must be a {kind}"))

    def _genesis(self, index, body):
        if index > 0:
            yield "F2", "a second genesis"
            return
        if body["adjacency"] != "one-person":
            yield "F2", "unknown adjacency"
        if not within(body["cap"], body["ceiling"]):
            yield "F2", "the cap is above the ceiling"
        if body["ceiling"]["delta"] >= DELTA_ONE:
            yield "F2", "a delta of 1 promises nothing"
        yield from self.succession.open(self.signers.approvers[index])

    def _key(self, index, body):
        yield from self.signers.key(index, body)
        yield from self.succession.key(index, body)

    def _officer(self, index, body):
        return self.signers.officer(index, body)

    def _snapshot(self, index, body):
        return ()

    _refuse = _anchor = _snapshot

    def _dataset(self, index, body):
        if self.genesis and body["space"] != self.genesis["space"]:
            yield "F3", "another identity space than the genesis's"
        if "tables" in body:
            self._parts[body["dataset"]] = set(body["tables"])

    def _catalog(self, index, body):
        self._newest_catalog[body["dataset"]] = index
        return ()

    def _policy(self, index, body):
        self._newest_policy = index
        self.limits.follow(body)
        return ()

    def _cited(self, index, cited, kind):
        """Whether `cited` is an earlier entry that is, or for all that is known may be, of this kind; and its body."""
        if cited >= index:
            return False, None
        entry = self.entries[cited]
        if entry is None:
            return True, None
        return entry[0] == kind, entry[1] if entry[0] == kind else None

    def _reserve(self, index, body):
        self.reserves.append(index)
        certificate = body["certificate"]
        cited = {}
        for kind in ("dataset", "snapshot", "catalog", "policy"):
            right, cited[kind] = self._cited(index, certificate[kind], kind)
            if not right or "tables" in (cited[kind] or ()):  # a part is charged beside its whole, never in its place
                yield "F3", f"cites no earlier {kind}"
        names = {cited[kind]["dataset"] for kind in ("dataset", "snapshot", "catalog") if cited[kind]}
        if len(names) > 1:
            yield "F3", "dataset, snapshot and catalog are not of one dataset"
        # An entry that cannot be read may have been the newest.
        elif cited["catalog"] and certificate["catalog"] < self._newest_catalog[cited["catalog"]["dataset"]]:
            yield "F3", "not the newest catalog of the dataset"
        if cited["policy"] and certificate["policy"] < self._newest_policy:
            yield "F3", "not the newest policy"
        yield from prices.check(body, cited["policy"])
        yield from self.purse.charge(body)
        charged = self._charged(body, self._datasets(certificate, cited["dataset"]))
        yield from self.limits.charge(body["accounts"][1:], body["loss"], charged, SHARES)

    def _datasets(self, certificate, cited):
        """The dataset that a certificate names, then the parts whose tables its steps read."""
        whole = [cited["dataset"]] if cited else []
        read = {step["table"] for step in certificate["steps"] if "table" in step}
        return whole + sorted(name for name, tables in self._parts.items() if name not in whole and tables & read)

    def _charged(self, body, datasets):
        space = [self.genesis["space"]] if self.genesis else []
        shares = {"space": space, "dataset": datasets, "analyst": [body["principal"]], "purpose": [body["purpose"]]}
        return {**shares, "time": body["time"]}

    def _release(self, index, body):
        right, _ = self._cited(index, body["reserve"], "reserve")
        if not right:
            yield "F3", "ends no earlier reserve"
        elif body["reserve"] in self._ended:
            yield "B2", "the reserve has an ending already"
        else:
            self._ended.add(body["reserve"])

    _abort = _release

    def _reuse(self, index, body):
        right, release = self._cited(index, body["release"], "release")
        if not right:
            yield "F3", "repeats no earlier release"
        _, reserve = self._cited(index, release["reserve"], "reserve") if release else (False, None)
        loss = reserve and reserve["loss"]
        # It costs no privacy, and counts as hers who asks.
        yield from self.limits.charge(body.get("accounts", []), loss, self._charged(body, []), ("analyst",))

    def _grant(self, index, body):
        return self.purse.grant(body, self.limits)

    def _review(self, index, body):
        first, last = body["from"], body["to"]
        if max(first, last) >= index:
            yield "F3", "looks at what is no earlier entry"
        if first > last:
            yield "R1", "ends before it begins"
        there = last < min(index, self._gap)
        if there and body["root"] not in (tree[last + 1] for tree in self._trees):
            yield "R1", "another root than that of the entries so far"

    def _incident(self, index, body):
        right, _ = self._cited(index, body["reserve"], "reserve")
        if not right:
            yield "F3", "was of no earlier reserve"
        yield from self.purse.charge(body, incident=True)

    def _seal(self, index, body):
        return self.succession.seal(index, body, self.purse, self.limits, self.signers)
