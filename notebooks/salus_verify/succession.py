"""How a log opens and ends: rules E1 (its seal), E2 (what its genesis says of the log before it) and E3 (that log, where
the auditor brings it).
"""

from .amounts import within
from .findings import Malformed
from .note import Checkpoint, Key
from .windows import still_counts


def ascending(items):
    return all(one < next for one, next in zip(items, items[1:]))


class Succession:
    """The opening and the end of a log, from entry to entry. `opening` and `sealed` are the result."""

    def __init__(self, genesis):
        self.before = genesis and genesis.get("predecessor")
        self.opening = self.sealed = None
        self._origin = genesis and genesis["origin"]

    def open(self, approvers):
        """E2, of a genesis."""
        before = self.before
        if before is None:
            return
        if before["origin"] == self._origin:
            yield "E2", "it goes on from itself"
        head = _head(before)
        if head is None:
            yield "E2", "the checkpoint is not that log's"
        size, read = head.size if head else (1 << 64) - 1, before.get("read", 2)
        if size < 2 or not 2 <= read <= size:
            yield "E2", "there are not so many entries"
        keys, names = [o["public"] for o in before["officers"]], [o["name"] for o in before["officers"]]
        if not ascending(keys):
            yield "E2", "the officers are not in ascending order, or one is there twice"
        if len(set(names)) < len(names) or "" in names:
            yield "E2", "two officers have one name, or one has none"
        if before["successor"] in [*keys, before["public"]] or before["public"] in keys:
            yield "E2", "a key has two offices"
        limits = before.get("limits", [])
        if not ascending([limit["scope"].encode() for limit in limits]):
            yield "E2", "the limits are not in ascending order, or one is there twice"
        self.opening = {
            "origin": before["origin"],
            "size": head and head.size,
            "read": before.get("read"),
            "spent": before["spent"],
            "limits": limits,
            "approved_by": approvers,
            "compared": False,
        }

    def key(self, index, body):
        """E2, of the first key."""
        if index == 1 and self.before and body["public"] != self.before["successor"]:
            yield "E2", "not the key that was named for the successor"

    def after(self):
        """E1, of whatever stands after a seal."""
        if self.sealed:
            yield "E1", f"the log ended with entry {self.sealed['entry']}"

    def seal(self, index, body, purse, limits, signers):
        """E1, of a seal."""
        successor, totals = body["successor"], body["totals"]
        if successor["origin"] == self._origin:
            yield "E1", "its successor has the same origin"
        if signers.knows(successor["public"]):
            yield "E1", "its successor's key is this log's or an officer's"
        if body["time"] > body["expires"]:
            yield "E1", "entered after it expired"
        if not purse.in_force(totals["cap"]):
            yield "E1", "another cap than the one in force"
        if not purse.is_total(totals["spent"]):
            yield "E1", "spent is not the running total"
        if not limits.are(totals.get("limits", []), body["time"]):
            yield "E1", "the limits are not those that go on"
        if self.sealed is None:
            self.sealed = {
                "entry": index,
                "successor": successor["origin"],
                "public": successor["public"].hex(),
                "cap": totals["cap"],
                "spent": totals["spent"],
                "limits": totals.get("limits", []),
                "approved_by": signers.approvers[index],
            }


def _head(before):
    """The checkpoint that the log before this one ends with, if it is that log's and signed by its key."""
    try:
        checkpoint = Checkpoint.parse(before["checkpoint"])
    except Malformed:
        return None
    right = checkpoint.origin == before["origin"] and checkpoint.note.signed_by(Key(before["origin"], before["public"]))
    return checkpoint if right else None


def compare(genesis, whole, entries, read):
    """E3. `whole` is the report on the log before this one, `entries` its bytes, `read` the report on the first of them
    that were read, where it was lost; `None` where there are not so many."""
    before = genesis and genesis.get("predecessor")
    first = whole.books.genesis
    if before is None:
        yield "the genesis goes on from no log"
    elif whole.findings:
        yield f"the log before it fails: {whole.findings[0].rule}"
    elif first["origin"] != before["origin"]:
        yield "the log before it is another"
    elif read is None:
        yield "the log before it has fewer entries than were read"
    else:
        yield from _carried(genesis, before, first, whole, entries, read)


def _carried(genesis, before, first, whole, entries, read):
    if first["space"] != genesis["space"]:
        yield "it was of another identity space"
    if not within(genesis["ceiling"], first["ceiling"]):
        yield "its ceiling was lower"
    yield from _history(before, whole, entries)
    heirs = sorted((bytes.fromhex(o["public"]), o["name"]) for o in read.books.signers.officers if o["active"])
    if heirs != [(o["public"], o["name"]) for o in before["officers"]]:
        yield "the officers are not those that it had"
    seal, limits = whole.books.succession.sealed, before.get("limits", [])
    if "read" not in before:
        if seal is None:
            yield "it is not sealed"
            return
        if (seal["successor"], seal["public"]) != (genesis["origin"], before["successor"].hex()):
            yield "its seal names another successor"
        if (seal["spent"], seal["limits"]) != (before["spent"], limits):
            yield "its seal says otherwise what was spent"
        if not within(genesis["cap"], seal["cap"]):
            yield "its cap was lower"
        return
    if seal:
        yield "it was sealed, not lost"
    closed = within(genesis["ceiling"], before["spent"])  # nothing is in the purse, and no grant adds to it
    if not within(genesis["cap"], read.books.purse.cap) and not closed:
        yield "its cap was lower"
    if not within(whole.books.purse.spent, before["spent"]):
        yield "more had been spent"
    stated = {limit["scope"]: limit["spent"] for limit in limits}
    for scope, _, spent, _ in whole.books.limits.totals:
        # Which periods had ended is for the clock to say.
        for_good = still_counts(scope, (1 << 64) - 1)
        if not within(spent, stated[scope]) if scope in stated else for_good:
            yield "more had been let through by a limit"


def _history(before, whole, entries):
    head, here = _head(before), len(entries)
    if head is None:
        return  # E2 has said so
    keys = [public for index, public in whole.books.signers.keys if index < head.size]
    if not keys or keys[-1] != before["public"]:
        yield "the checkpoint is not signed by the key that was in force"
    if head.size > here:
        if "read" not in before:
            yield "it has fewer entries than the checkpoint signs"
        return
    if whole.books.root_at(head.size) != head.root:
        yield "the checkpoint is of another history"
    if "read" not in before and head.size != here:
        yield "it goes on after the checkpoint"
