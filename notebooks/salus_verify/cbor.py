"""The CBOR subset of the ledger, in which every value has exactly one encoding: a strict decoder, and the encoder.

Written by hand because a general library accepts what must be refused here.
"""

from .findings import Malformed

DEEPEST = 16  # an entry of version 1 nests 7 deep


def decode(data: bytes):
    """The one item that `data` is, as int, bytes, str, bool, list or dict."""
    if not data:
        raise Malformed("no bytes")
    item, at = _item(data, 0, 1)
    if at != len(data):
        raise Malformed(f"byte {at}: bytes after the item")
    return item


def _take(data: bytes, at: int, length: int):
    if length > len(data) - at:
        raise Malformed(f"byte {at}: the item is cut off")
    return data[at : at + length], at + length


def _head(data: bytes, at: int):
    """Major type and argument, which must be in its shortest form."""
    start = at
    first, at = _take(data, at, 1)
    major, short = first[0] >> 5, first[0] & 31
    if short < 24:
        return major, short, at
    if short > 27:
        raise Malformed(f"byte {start}: indefinite or reserved length")
    width = 1 << (short - 24)
    tail, at = _take(data, at, width)
    argument = int.from_bytes(tail, "big")
    if argument < (24 if width == 1 else 1 << (4 * width)):
        raise Malformed(f"byte {start}: not the shortest form")
    return major, argument, at


def _item(data: bytes, at: int, depth: int):
    if depth > DEEPEST:
        raise Malformed(f"byte {at}: nested too deep")
    start = at
    major, argument, at = _head(data, at)
    if major == 0:
        return argument, at
    if major == 2:
        return _take(data, at, argument)
    if major == 3:
        return _text(data, at, argument)
    if major == 4:
        items = []
        for _ in range(argument):
            item, at = _item(data, at, depth + 1)
            items.append(item)
        return items, at
    if major == 5:
        return _map(data, at, argument, depth)
    if major == 7 and argument in (20, 21):
        return argument == 21, at
    raise Malformed(f"byte {start}: a negative number, tag or simple value")


def _text(data: bytes, at: int, length: int):
    raw, end = _take(data, at, length)
    try:
        return raw.decode("utf-8"), end
    except UnicodeDecodeError:
        raise Malformed(f"byte {at}: text that is not UTF-8") from None


def _map(data: bytes, at: int, length: int, depth: int):
    result, last = {}, b""
    for _ in range(length):
        start = at
        major, argument, at = _head(data, at)
        if major != 3:
            raise Malformed(f"byte {start}: a key that is not text")
        key, at = _text(data, at, argument)
        # Strictly ascending keys are sorted and none is there twice.
        if data[start:at] <= last:
            raise Malformed(f"byte {start}: keys not in order, or one twice")
        last = data[start:at]
        result[key], at = _item(data, at, depth + 1)
    return result, at


def encode(item) -> bytes:
    """The one encoding of what `decode` answers."""
    if isinstance(item, bool):
        return b"\xf5" if item else b"\xf4"
    if isinstance(item, int):
        return _shortest(0, item)
    if isinstance(item, bytes):
        return _shortest(2, len(item)) + item
    if isinstance(item, str):
        return _shortest(3, len(item.encode())) + item.encode()
    if isinstance(item, list):
        return _shortest(4, len(item)) + b"".join(map(encode, item))
    # No key's encoding begins another's, so that pairs sort as their keys do.
    return _shortest(5, len(item)) + b"".join(sorted(encode(key) + encode(value) for key, value in item.items()))


def _shortest(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes([major << 5 | argument])
    short = next(n for n in range(4) if argument < 1 << (8 << n))
    return bytes([major << 5 | 24 + short]) + argument.to_bytes(1 << short, "big")
