"""Rules T1 (the tree) and T2 (the checkpoints and their signatures)."""

from .findings import Finding, Malformed
from .merkle import leaf_hash
from .note import Key


def align(entries, leaves, checkpoints):
    """Compares entries with the stored leaf hashes. Answers the entries in the places that the hashes give them, None
    where one is missing; the lists of hashes that a checkpoint may agree with; and what T1 says.

    If counts differ, one run that is missing or extra may be the whole difference; else places are compared one by one.
    If the newest checkpoint covers just as many entries as there are, it is the list of hashes that is damaged.
    """
    hashes = [leaf_hash(entry) for entry in entries]
    if leaves is None:
        return entries, [hashes], []
    count, surplus = min(len(hashes), len(leaves)), len(hashes) - len(leaves)
    newest = max(checkpoints, key=lambda c: c.size, default=None)
    if surplus and newest and newest.size == len(hashes):
        what = f"{len(leaves)} leaf hashes are stored for {len(hashes)} entries"
        return entries, [hashes], [Finding(count, "T1", what)]
    run = next((n for n in range(count) if hashes[n] != leaves[n]), count)
    if hashes[len(hashes) - count + run :] != leaves[len(leaves) - count + run :]:
        run = count
    what = "the bytes do not have the leaf hash that is stored"
    findings = [Finding(n, "T1", what) for n in range(run) if hashes[n] != leaves[n]]
    places = list(entries)
    if surplus < 0:
        places[run:run] = [None] * -surplus
        hashes[run:run] = leaves[run : run - surplus]
        findings.append(Finding(run, "T1", f"missing: {-surplus} from here have a leaf hash and no bytes"))
    elif surplus > 0:
        del places[run : run + surplus], hashes[run : run + surplus]
        findings.append(Finding(run, "T1", f"extra: {surplus} from here have bytes and no leaf hash"))
    return places, [hashes, leaves], findings


class History:
    """Checks checkpoints against the tree and the keys. `findings`, `good` and `head` are the result.

    `keys` are index and public key of each key entry, `trees` the roots over the lists that `align` answers.
    """

    def __init__(self, keys, trees, origin, vkey, checkpoints):
        self.findings = []
        # Where the lists differ an entry is named already; a checkpoint that agrees with one of them adds nothing.
        self._trees = trees
        self._keys = keys
        self._vkey = self._verifier_key(vkey, origin)
        # If the two differ, that is named once, not at every checkpoint.
        self._names = {origin, self._vkey and self._vkey.name} - {None}
        self._contradicted = set()
        self.good = [checkpoint for checkpoint in checkpoints if self._is_good(checkpoint)]
        self.head = max(reversed(self.good), key=lambda c: c.size, default=None)
        if self.head is None:
            self._fail(None, "T1", "no checkpoint with a good signature")
        else:
            self._compare(len(trees[0]) - 1)
            self._newest_key()

    def _fail(self, index, rule, what):
        self.findings.append(Finding(index, rule, what))

    def _verifier_key(self, text, origin):
        try:
            key = Key.parse(text)
        except Malformed as error:
            self._fail(None, "T2", f"verifier key: {error}")
            return None
        if origin is not None and key.name != origin:
            self._fail(0, "T2", "the verifier key is of another name than the genesis's origin")
        return key

    def _in_force(self, size):
        """Index and public key of the last key entry below `size`."""
        return next((key for key in reversed(self._keys) if key[0] < size), (None, None))

    def _is_good(self, checkpoint):
        """Signed by the key in force. The export's verifier key vouches too, but then the log's key entry is wrong."""
        _, public = self._in_force(checkpoint.size)
        if public and checkpoint.origin in self._names and checkpoint.note.signed_by(Key(checkpoint.origin, public)):
            return True
        if self._vkey and checkpoint.origin == self._vkey.name and checkpoint.note.signed_by(self._vkey):
            self._contradiction(checkpoint.size)
            return True
        last = checkpoint.size - 1 if checkpoint.size else None
        self._fail(last, "T2", "checkpoint that ends here: not of this origin and signed by the key in force")
        return False

    def _contradiction(self, size):
        index, public = self._in_force(size)
        if public != self._vkey.public and index not in self._contradicted:
            self._contradicted.add(index)  # once is enough
            self._fail(index, "T2", f"size {size} is signed by the verifier key, which was not in force")

    def _newest_key(self):
        """The verifier key must be the one in force at the end."""
        if self._vkey and not self.head.note.signed_by(self._vkey):
            self._fail(self.head.size - 1, "T2", "the newest checkpoint is not signed by the verifier key")
        elif self._vkey:
            self._contradiction(self.head.size)

    def _agrees(self, checkpoint):
        return any(checkpoint.size < len(tree) and tree[checkpoint.size] == checkpoint.root for tree in self._trees)

    def _compare(self, count):
        """T1 and T2: the root at each good checkpoint. The largest that agrees vouches for all below it."""
        agreed = max((c.size for c in self.good if self._agrees(c)), default=0)
        beyond = []
        for checkpoint in self.good:
            if self._agrees(checkpoint):
                continue
            if checkpoint.size <= agreed:
                self._fail(checkpoint.size - 1, "T2", "checkpoint that ends here: signed over another history")
            elif checkpoint.size <= count:
                beyond.append(checkpoint.size)
        if beyond:
            last = min(beyond) - 1
            self._fail(last, "T1", f"entries {agreed} to {last}, one or more changed: the root of these is another")
        newest = self.head.size
        if newest > count:
            self._fail(count, "T1", f"missing: entries {count} to {newest - 1}, which a checkpoint covers")
        elif newest < count:
            self._fail(newest, "T1", f"extra: entries {newest} to {count - 1} are below no checkpoint")
