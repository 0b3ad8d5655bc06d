"""Rule W1: who watches the log. A C2SP tlog-policy names logs, witnesses, groups of these and a quorum."""

import re

from .findings import Finding, Malformed
from .note import COSIGNATURE, Key, cosigned_at, number

NOBODY = b"none"  # the quorum of a policy that asks for no witness


class Policy:
    """`logs` are keys, `witnesses` keys by name. Names are bytes, of which no character set is assumed."""

    def __init__(self, data: bytes):
        self.logs, self.witnesses = [], {}
        self._groups = {}  # by name: how many of which members
        self._members = set()  # of any group
        self._quorum = None
        directives = {b"log": self._log, b"witness": self._witness, b"group": self._group, b"quorum": self._ask}
        for at, line in enumerate(data.split(b"\n"), 1):
            words = line.split()
            try:
                if re.search(rb"[^\t\x20-\x7e\x80-\xff]", line):
                    raise Malformed("a control character")
                if words and not words[0].startswith(b"#"):
                    if words[0] not in directives:
                        raise Malformed(f"unknown directive {shown(words[0])}")
                    directives[words[0]](words[1:])
            except Malformed as error:
                raise Malformed(f"line {at}: {error}") from None
        if self._quorum is None:
            raise Malformed("no quorum")

    def _log(self, words):
        if not 1 <= len(words) <= 2:
            raise Malformed("log <verifier key> [<URL>]")
        self.logs.append(_new_key(Key.parse(shown(words[0])), self.logs))

    def _witness(self, words):
        if not 2 <= len(words) <= 3:
            raise Malformed("witness <name> <verifier key> [<URL>]")
        name = self._new_name(words[0])
        self.witnesses[name] = _new_key(Key.parse(shown(words[1]), COSIGNATURE), self.witnesses.values())

    def _group(self, words):
        if len(words) < 3:
            raise Malformed("group <name> <number, any or all> <member>...")
        name, least, members = self._new_name(words[0]), words[1], words[2:]
        for member in members:
            if not self._is_defined(member):
                raise Malformed(f"no witness or group {shown(member)} above")
            if member in self._members:
                raise Malformed(f"{shown(member)} is a member already")
            self._members.add(member)
        least = {b"any": 1, b"all": len(members)}.get(least) or number(shown(least))
        if not 1 <= least <= len(members):
            raise Malformed(f"{least} of {len(members)} members")
        self._groups[name] = least, members

    def _ask(self, words):
        if len(words) != 1 or self._quorum is not None:
            raise Malformed("quorum <name>, and that once")
        if words[0] != NOBODY and not self._is_defined(words[0]):
            raise Malformed(f"no witness or group {shown(words[0])} above")
        self._quorum = words[0]

    def _is_defined(self, name):
        return name in self.witnesses or name in self._groups

    def _new_name(self, name):
        if name == NOBODY or self._is_defined(name):
            raise Malformed(f"{shown(name)} has a meaning already")
        return name

    def _is_met(self, cosigners):
        holds = {NOBODY: True, **{name: name in cosigners for name in self.witnesses}}
        for name, (least, members) in self._groups.items():  # each after its members
            holds[name] = sum(holds[member] for member in members) >= least
        return holds[self._quorum]

    def judge(self, keys, good, head):
        """W1 of the log with these keys, as findings, and of each witness the name, its key's and the time."""
        findings, times, last = [], {}, head.size - 1 if head else None
        if not any(log in keys for log in self.logs):
            findings.append(Finding(None, "W1", "no log of the policy is this one"))
        # Copies count together: the auditor may have kept one with other signatures below it.
        notes = [checkpoint.note for checkpoint in good if checkpoint.note.text == head.note.text]
        for name, key in self.witnesses.items():
            for signature in (signature for note in notes for signature in note.of(key)):
                if key.made(signature, head.note.text):
                    times[name] = max(cosigned_at(signature), times.get(name, 0))
                else:
                    findings.append(Finding(last, "W1", f"a cosignature of witness {shown(name)} is not right"))
        if not head or not self._is_met(times):
            findings.append(Finding(last, "W1", "the newest checkpoint is not cosigned by the policy's quorum"))
        return findings, [(shown(name), key.name, times.get(name)) for name, key in self.witnesses.items()]


def _new_key(key, keys):
    if key.public in (other.public for other in keys):
        raise Malformed("the same key twice")
    return key


def shown(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")
