"""What a verifier says: which rule fails at which entry."""

from typing import NamedTuple, Optional


class Finding(NamedTuple):
    index: Optional[int]  # of the entry; None where no entry can be named
    rule: str
    what: str


class Malformed(ValueError):
    """The input has not the one form that it must have."""
