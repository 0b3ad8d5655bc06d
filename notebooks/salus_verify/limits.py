"""Rule B3: the limits of the policy in force. Each keeps an account of its own, which no charge takes above its cap."""

from .amounts import NOTHING, plus, within
from .succession import ascending
from .windows import still_counts, window

SHARES = ("space", "dataset", "analyst", "purpose")


def scope(limit, name, time):
    """Name of the account that a limit keeps for one of those it counts."""
    seconds = limit.get("seconds")
    period = "" if seconds is None else f"/{seconds}/{time // seconds}"
    return f"{limit['of']}{period}:{name}"


def _share(limit):
    return limit["of"], limit.get("seconds")


def counts(limit, name, limits):
    """Whether a limit counts for a name: one of that name stands for the nameless one of its share and period."""
    own = any(_share(other) == _share(limit) and other.get("name") == name for other in limits)
    return limit["name"] == name if "name" in limit else not own


def in_force(limits, charged):
    """The accounts that count and the caps that the policy gives them, in its order."""
    for limit in limits:
        for name in charged[limit["of"]]:
            if counts(limit, name, limits):
                yield scope(limit, name, charged["time"]), limit["cap"]


class Limits:
    """The accounts of limits, from entry to entry. `totals` is the result: scope, cap, spent and number of charges."""

    def __init__(self, genesis=None):
        self.policy = []
        self._space = genesis and genesis["space"]
        self._granted = {}  # caps of windows, since the newest policy
        self.doubt = False  # an unreadable entry since the newest policy may have been one
        self._unread = 0
        before = genesis and genesis.get("predecessor") or {}
        self._accounts = {limit["scope"]: (NOTHING, limit["spent"], 0, 0) for limit in before.get("limits", [])}

    @property
    def totals(self):
        unused = {scope: (cap, NOTHING, 0) for scope, cap in self._granted.items()}
        return [(scope, *account[:3]) for scope, account in sorted({**unused, **self._accounts}.items())]

    def unreadable(self):
        self.doubt = True
        self._unread += 1

    def are(self, stated, time):
        """Whether these are the accounts that still count. What cannot be read may have charged them, or others."""
        spent = {limit["scope"]: limit["spent"] for limit in stated}
        known = {scope: account for scope, account in self._accounts.items() if still_counts(scope, time)}
        for scope, (_, total, _, read) in known.items():
            unsure = self._unread > read and scope in spent and within(total, spent[scope])
            if spent.get(scope) != total and not unsure:
                return False
        in_order = ascending([limit["scope"].encode() for limit in stated])
        return in_order and (len(known) == len(stated) or self._unread > 0)

    def follow(self, body):
        """A new policy, which says everything anew."""
        self.policy, self.doubt, self._granted = body.get("limits", []), False, {}

    def window(self, scope):
        """The cap in force of an account that is kept in periods, `None` where no limit in force keeps it."""
        of, seconds, _, name = window(scope)
        if name is None or of == "space" and name != self._space:
            return None
        found = [limit["cap"] for limit in self.policy if _share(limit) == (of, seconds) and counts(limit, name, self.policy)]
        return self._granted.get(scope, found[0]) if found else None

    def open(self, scope, cap):
        """Another cap of a window, as a grant states it."""
        self._granted[scope] = cap
        if scope in self._accounts:
            self._accounts[scope] = (cap, *self._accounts[scope][1:])

    def charge(self, accounts, loss, charged, shares):
        """What B3 finds of the accounts of one entry; `loss` is `None` where it cannot be read."""
        limits = [limit for limit in self.policy if limit["of"] in shares]
        stated = [(account["scope"], account["cap"]) for account in accounts]
        expected = [(scope, self._granted.get(scope, cap)) for scope, cap in in_force(limits, charged)]
        if self._unread:  # what cannot be read may have been a part of a dataset
            stated, expected = ([it for it in of if not it[0].startswith(("dataset:", "dataset/"))] for of in (stated, expected))
        if not self.doubt and stated != expected:
            yield "B3", "the accounts are not those of the policy's limits"
        for account in accounts:
            before, after = account["before"], account["after"]
            _, spent, charges, read = self._accounts.get(account["scope"], (None, NOTHING, 0, 0))
            if before != spent and not (self._unread > read and within(spent, before)):
                yield "B3", "before is not the running total of the limit"
            if loss is not None and after != plus(before, loss):
                yield "B3", "after is not before and the loss"
            if not within(after, account["cap"]):
                yield "B3", "above the limit"
            # As stated even where it is wrong, so that one broken entry is not reported a thousand times.
            self._accounts[account["scope"]] = (account["cap"], after, charges + 1, self._unread)
