"""Reads the plain files that `salus ledger export` writes."""

import re
from pathlib import Path

from .audit import Evidence
from .restricted import Restricted

MOST_HOLES = 1_000_000  # missing entries in a row, so that one file name cannot claim all memory


class Unreadable(Exception):
    """There is nothing to verify."""


def read_bytes(path: Path, optional=False):
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        if optional:
            return None
        raise Unreadable(f"{path}: {error.strerror}") from None
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror or error}") from None


def read_text(path: Path) -> str:
    try:
        return read_bytes(path).decode("utf-8")
    except UnicodeDecodeError:
        raise Unreadable(f"{path}: not text") from None


def read_export(directory: Path) -> Evidence:
    """`entries/<index>.cbor`, `checkpoints/<size>`, `ledger.vkey` and, if it is there, `leaves`."""
    entries = []
    for index, data in sorted(_numbered(directory / "entries", ".cbor").items()):
        if index - len(entries) > MOST_HOLES:
            raise Unreadable(f"{directory / 'entries'}: more than a million entries in a row are missing")
        entries += [b""] * (index - len(entries)) + [data]
    checkpoints = _numbered(directory / "checkpoints", "")
    vkey = read_text(directory / "ledger.vkey")
    packed, leaves = read_bytes(directory / "leaves", optional=True), None
    if packed is not None:
        if len(packed) % 32:
            raise Unreadable(f"{directory / 'leaves'}: not a whole number of 32-byte hashes")
        leaves = [packed[n : n + 32] for n in range(0, len(packed), 32)]
    return Evidence(entries, leaves, dict(sorted(checkpoints.items())), vkey)


def read_restricted(directory: Path) -> Restricted:
    """The same files of the restricted log, and `anchors/<index>`."""
    return Restricted(read_export(directory), _numbered(directory / "anchors", ""))


def _numbered(directory: Path, suffix: str) -> dict:
    """The files of a directory that holds nothing but `<nine digits><suffix>`."""
    try:
        files = list(directory.iterdir())
    except OSError as error:
        raise Unreadable(f"{directory}: {error.strerror or error}") from None
    for file in files:
        if not re.fullmatch("[0-9]{9}" + re.escape(suffix), file.name):
            raise Unreadable(f"{file}: no file of this name belongs here")
    return {int(file.name[:9]): read_bytes(file) for file in files}
