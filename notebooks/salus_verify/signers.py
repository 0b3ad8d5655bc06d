"""Who may sign what is entered: rules K1 (the log's keys), O1 (its officers) and A1 (what they approve).

What cannot be read may have been a key or an officer: it is not held against those who sign after it.
"""

from . import cbor
from .note import verifies

STATEMENT = b"salus/statement/v1\0"


class Signers:
    """Keys and officers, from entry to entry. `keys`, `officers` and `approvers` are the result."""

    def __init__(self, genesis):
        self.keys = []  # index and public key of each key entry
        self.officers = []  # with the entries since and until when
        self.approvers = {}  # their names, by the index of what they approved
        self._origin = genesis and genesis["origin"]  # None where it cannot be read
        self._active = {}  # officers by public key
        self._entries = 0  # of officers
        self._publics = set()  # that these name
        self._unread = False  # an unreadable entry may have named an officer
        self._unread_key = False  # and one since the newest key a key
        before = genesis and genesis.get("predecessor")
        if before:
            self._inherit(before)

    def _inherit(self, before):
        """The officers of the log before this one go on; its key is nobody's from here on."""
        for officer in before["officers"]:
            named = {"name": officer["name"], "public": officer["public"].hex(), "since": 0, "self_named": False}
            self._active[officer["public"]] = {**named, "active": True, "until": None}
            self.officers.append(self._active[officer["public"]])
            self._entries += 1
        self._publics |= {officer["public"] for officer in before["officers"]} | {before["public"]}

    def knows(self, public):
        """Whether a key is the log's or an officer's, or was."""
        return public in self._publics or public in (key for _, key in self.keys)

    def unreadable(self):
        self._unread = self._unread_key = True

    def _made(self, public, signature, kind, body):
        """Whether this key made the signature over the entry's statement."""
        if self._origin is None:
            return True
        statement = cbor.encode({"origin": self._origin, "kind": kind, "body": body["signed"]})
        return verifies(public, STATEMENT + statement, signature)

    def key(self, index, body):
        """K1: each key but the first is signed by the one before it."""
        signature, before = body.get("signature"), [public for _, public in self.keys]
        if index <= 1:
            if signature is not None:
                yield "K1", "the first key has none before it that could sign it"
        elif signature is None:
            yield "K1", "the key before it has not signed it"
        elif not self._unread_key and not (before and self._made(before[-1], signature, "key", body)):
            yield "K1", "the signature is not that of the key before it"
        if body["public"] in before:
            yield "K1", "an earlier entry has the same key"
        if body["public"] in self._publics:
            yield "K1", "the key is an officer's, or that of the log before this one"
        self.keys.append((index, body["public"]))
        self._unread_key = False

    def approvals(self, index, kind, body):
        """A1: who approves is an active officer, and approves once."""
        approvals = body.get("approvals", [])
        officers = [approval["officer"] for approval in approvals]
        if officers != sorted(set(officers)):
            yield "A1", "the officers are not in ascending order, or one is there twice"
        self.approvers[index] = []
        for public, approval in zip(officers, approvals):
            if public not in self._active and not self._may_be_unread(public):
                yield "A1", "an approval of one who is no active officer"
            elif not self._made(public, approval["signature"], kind, body):
                yield "A1", "the signature of an approval is not right"
            elif public in self._active:
                self.approvers[index].append(self._active[public]["name"])

    def _may_be_unread(self, public):
        """Whether an entry that cannot be read may have made it an officer's. One that is known comes only once."""
        return self._unread and public not in self._publics

    def officer(self, index, body):
        """O1: the first two name themselves, all others are approved, and two stay."""
        public, name, approved = body["public"], body["name"], "approvals" in body
        if not approved and not (body["active"] and self._entries < 2):
            yield "O1", "nobody has approved it"
        if not name:
            yield "O1", "no name"
        yield from self._beginning(public, name) if body["active"] else self._end(public, name)
        # As stated even where it is wrong, so that one broken entry is not reported a thousand times.
        if body["active"]:
            named = {"name": name, "public": public.hex(), "since": index, "self_named": not approved}
            self._active[public] = {**named, "active": True, "until": None}
            self.officers.append(self._active[public])
        elif public in self._active:
            del self._active[public]
            for officer in self.officers:  # one that was named twice goes twice
                if officer["active"] and officer["public"] == public.hex():
                    officer.update(active=False, until=index)
        self._entries += 1
        self._publics.add(public)

    def _beginning(self, public, name):
        if public in self._publics or public in (key for _, key in self.keys):
            yield "O1", "the key is that of an earlier entry"
        if name in (officer["name"] for officer in self._active.values()):
            yield "O1", "an active officer has this name"

    def _end(self, public, name):
        officer = self._active.get(public)
        if officer is None and not self._may_be_unread(public):
            yield "O1", "ends one who is no active officer"
        if officer is not None and officer["name"] != name:
            yield "O1", "the officer has another name"
        if not self._unread and len(self._active.keys() - {public}) < 2:
            yield "O1", "fewer than two others stay active"
