"""The RFC 6962 tree: leaf hashes, roots of all prefixes, inclusion proofs."""

from hashlib import sha256


def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\0" + entry).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


def roots(leaves: list) -> list:
    """The root of each prefix: `roots(leaves)[n]` is that of the first n leaves."""
    result = [sha256(b"").digest()]
    full = []  # roots of the perfect subtrees from the left, with the number of their leaves
    for leaf in leaves:
        size, root = 1, leaf
        while full and full[-1][0] == size:
            root = _node(full.pop()[1], root)
            size *= 2
        full.append((size, root))
        for _, left in reversed(full[:-1]):
            root = _node(left, root)
        result.append(root)
    return result


def included(index: int, size: int, leaf: bytes, proof: list, root: bytes) -> bool:
    """Whether `proof` leads from `leaf` at `index` to the root of a tree of `size` leaves (RFC 9162, 2.1.3.2)."""
    if index >= size:
        return False
    here, last, node = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if here & 1 or here == last:
            node = _node(sibling, node)
            # Levels at which the node is the last one and has no sibling add nothing.
            while here and not here & 1:
                here, last = here >> 1, last >> 1
        else:
            node = _node(node, sibling)
        here, last = here >> 1, last >> 1
    return last == 0 and node == root
