"""C2SP signed notes, verifier keys, checkpoints and cosignatures."""

import base64
import binascii
import re
from hashlib import sha256
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from .findings import Malformed

MOST_SIGNATURES = 64
ED25519, COSIGNATURE = b"\1", b"\4"  # types of signatures, the second that of witnesses


def unbase64(text: str) -> bytes:
    """Standard base64, and only the one form that encodes these bytes."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise Malformed("not base64") from None
    if base64.b64encode(data).decode() != text:
        raise Malformed("not canonical base64")
    return data


def number(text: str) -> int:
    """A decimal number below 2^64 without sign or leading zero."""
    if not re.fullmatch("0|[1-9][0-9]{0,19}", text) or int(text) >= 1 << 64:
        raise Malformed("not a plain decimal number")
    return int(text)


def _named(name: str) -> str:
    if not name or "+" in name or any(c.isspace() for c in name):
        raise Malformed("a key's name is empty or has a space or a plus")
    return name


class Key(NamedTuple):
    """An Ed25519 key under the name by which its signatures go."""

    name: str
    public: bytes
    type: bytes = ED25519

    @property
    def id(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + self.type + self.public).digest()[:4]

    @staticmethod
    def parse(text: str, type: bytes = ED25519) -> "Key":
        """A verifier key: `<name>+<8 hex digits>+<base64>`."""
        parts = text.split("+", 2)
        if len(parts) != 3 or not re.fullmatch("[0-9a-fA-F]{8}", parts[1]):
            raise Malformed("a verifier key is <origin>+<id>+<key>")
        encoded = unbase64(parts[2])
        if len(encoded) != 33 or encoded[:1] != type:
            raise Malformed(f"not an Ed25519 key of signature type {type[0]}")
        key = Key(_named(parts[0]), encoded[1:], type)
        if key.id.hex() != parts[1].lower():
            raise Malformed("the key's id is not that of name and key")
        return key

    def made(self, signature: bytes, text: str) -> bool:
        message = text.encode()
        if self.type == COSIGNATURE:
            time, signature = cosigned_at(signature), signature[8:]
            message = b"cosignature/v1\ntime %d\n" % time + message
            if time >= 1 << 63:
                return False
        return verifies(self.public, message, signature)


def cosigned_at(signature: bytes) -> int:
    """The time that a witness's signature begins with, in seconds."""
    return int.from_bytes(signature[:8], "big")


class Note(NamedTuple):
    text: str
    signatures: list  # of (name, key id, signature)

    @staticmethod
    def parse(data: bytes) -> "Note":
        try:
            whole = data.decode("utf-8")
        except UnicodeDecodeError:
            raise Malformed("a note is not text") from None
        if any(c < " " and c != "\n" for c in whole):
            raise Malformed("a note has a control character")
        text, blank, tail = whole.rpartition("\n\n")
        if not blank or not tail.endswith("\n"):
            raise Malformed("a note is text, a blank line and lines of signatures")
        lines = tail[:-1].split("\n")
        if len(lines) > MOST_SIGNATURES:
            raise Malformed("a note has too many signatures")
        return Note(text + "\n", [_signature(line) for line in lines])

    def of(self, key: Key) -> list:
        """The signatures that say they are of this key."""
        return [signature for name, id, signature in self.signatures if (name, id) == (key.name, key.id)]

    def signed_by(self, key: Key) -> bool:
        """All of this key's signatures are right, and there is one. Those of others are ignored."""
        return bool(self.of(key)) and all(key.made(signature, self.text) for signature in self.of(key))


def _signature(line: str):
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != "\u2014":
        raise Malformed("a signature is a dash, a name and base64")
    encoded = unbase64(parts[2])
    if len(encoded) < 5:
        raise Malformed("a signature is too short")
    return _named(parts[1]), encoded[:4], encoded[4:]


def verifies(public: bytes, message: bytes, signature: bytes) -> bool:
    """Strict Ed25519: under a key of small order anybody can sign, so such points are refused."""
    if _of_small_order(public) or _of_small_order(signature[:32]):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


_P = 2**255 - 19
_Y8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7  # of the points of order 8, up to sign


def _of_small_order(point: bytes) -> bool:
    y = int.from_bytes(point, "little") % 2**255 % _P
    return y in (0, 1, _P - 1, _Y8, _P - _Y8)


class Checkpoint(NamedTuple):
    origin: str
    size: int
    root: bytes
    note: Note

    @staticmethod
    def parse(data: bytes) -> "Checkpoint":
        note = Note.parse(data)
        lines = note.text.split("\n")
        if len(lines) != 4 or not lines[0]:
            raise Malformed("a checkpoint is origin, size and root, and nothing else")
        root = unbase64(lines[2])
        if len(root) != 32:
            raise Malformed("a root has 32 bytes")
        return Checkpoint(lines[0], number(lines[1]), root, note)
