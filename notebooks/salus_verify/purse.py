"""The purse: rules B1 (what is charged to it) and G1 (grants, which raise its cap, or that of a window).

What cannot be read may have spent or raised the cap: the next total or cap that is stated is believed, if it can be.
"""

from .amounts import NOTHING, plus, within
from .windows import window


class Purse:
    """The running total and the cap in force, from entry to entry: `spent` and `cap` are the result."""

    def __init__(self, genesis):
        self.spent = NOTHING
        self.scope = self.cap = self._ceiling = None  # where they cannot be read
        if genesis:
            self.scope, self.cap, self._ceiling = "space:" + genesis["space"], genesis["cap"], genesis["ceiling"]
            self.spent = genesis.get("predecessor", {}).get("spent", NOTHING)
        self._unread_loss = self._unread_grant = False
        self._nonces = set()

    def unreadable(self):
        self._unread_loss = self._unread_grant = True

    def in_force(self, cap):
        if self.cap and self._unread_grant and within(self.cap, cap) and self._is_possible(cap):
            self.cap, self._unread_grant = cap, False
        return self.cap in (None, cap)

    def is_total(self, spent):
        return spent == self.spent or self._unread_loss and within(self.spent, spent)

    def _is_possible(self, cap):
        return self._ceiling is None or within(cap, self._ceiling)

    def charge(self, body, incident=False):
        """B1, of a reserve or an incident."""
        account, loss = body["accounts"][0], body["loss"]  # those after it are of limits
        before, after = account["before"], account["after"]
        if self.scope not in (None, account["scope"]):
            yield "B1", "not the account of the identity space"
        if not self.in_force(account["cap"]):
            yield "B1", "another cap than the one in force"
        if before != self.spent and not (self._unread_loss and within(self.spent, before)):
            yield "B1", "before is not the running total"
        if after != plus(before, loss):
            yield "B1", "after is not before and the loss"
        if incident and loss == NOTHING:
            yield "B1", "an incident that cost nothing"
        if not incident and not within(after, account["cap"]):
            yield "B1", "above the cap"
        # As stated even where it is wrong, so that one broken entry is not reported a thousand times.
        self.spent, self._unread_loss = after, False

    def grant(self, body, limits):
        """G1."""
        scope, old, new = body["scope"], body["old"], body["new"]
        found = window(scope)
        yield from self._of_window(body, found[2], limits) if found else self._of_purse(scope, old, new)
        if new == old or not within(old, new):
            yield "G1", "it does not raise the cap"
        if body["time"] > body["expires"]:
            yield "G1", "entered after it expired"
        if body["nonce"] in self._nonces:
            yield "G1", "an earlier grant has the same nonce"
        # As stated, as above; and the cap of another account is what it was.
        if found:
            limits.open(scope, new)
        else:
            self.cap, self._unread_grant = new, False
        self._nonces.add(body["nonce"])

    def _of_purse(self, scope, old, new):
        if self.scope not in (None, scope):
            yield "G1", "not of the identity space"
        if not self.in_force(old):
            yield "G1", "old is not the cap in force"
        if not self._is_possible(new):
            yield "G1", "above the ceiling"

    def _of_window(self, body, end, limits):
        old, new, cap = body["old"], body["new"], limits.window(body["scope"])
        if not limits.doubt and cap is None:
            yield "G1", "no limit in force keeps the account"
        if not limits.doubt and cap not in (None, old):
            yield "G1", "old is not the cap in force"
        if end is None or end <= body["time"]:
            yield "G1", "the period is over, or never ends"
        most = self._ceiling if self._unread_grant else self.cap
        if most and any(new[unit] != old[unit] and new[unit] > most[unit] for unit in most):
            yield "G1", "above the cap of the purse"
