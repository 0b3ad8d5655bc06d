"""Rule N1: the restricted log is anchored where a tick has passed, and nowhere else."""


class Ticks:
    """The anchors so far. `every` is what the genesis says, `anchors` are index and commitment of each."""

    def __init__(self, genesis):
        self.every = genesis and genesis.get("restricted")
        self.anchors = []
        self._known = genesis is not None
        self._last = None
        self._before = None  # what the entry before was, where that matters: anchored, repeated, unreadable

    def unreadable(self):
        self._before = "unreadable"

    def check(self, index, kind, body):
        before, self._before = self._before, None
        if kind == "anchor":
            self.anchors.append((index, body["checkpoint"]))
        if self.every is None:
            if kind == "anchor" and self._known and before != "unreadable":
                yield "N1", "the genesis has no restricted log"
            return
        tick = body["time"] // self.every
        due = self._last is None or tick > self._last
        if kind == "seal":
            if before is None:
                yield "N1", "an anchor is missing before the seal"
        elif before == "repeated":
            yield "N1", "only a seal follows an anchor of a tick that is not new"
        elif kind == "anchor":
            if body["tick"] != tick:
                yield "N1", "the tick is not that of the entry's time"
            self._before = "anchored" if due else "repeated"
        elif due and index > 1 and before != "unreadable":
            yield "N1", "a tick has passed, and no anchor is before it"
        if due and index > 1:
            self._last = tick  # named once: the next entry of this tick is not to blame
