"""`python -m salus_verify DIR`. Exit code 0: every rule holds; 1: one does not; 2: nothing to verify, or no way to."""

import argparse
import os
import sys
from pathlib import Path

from . import report
from .audit import audit
from .export import Unreadable, read_bytes, read_export, read_restricted, read_text
from .findings import Malformed
from .witnesses import Policy


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(
        prog="salus_verify",
        description="Verifies a ledger that `salus ledger export` wrote. Shares no code with `salus-audit`.",
        epilog="Exit code: 0 every rule holds, 1 a rule fails (rule and entry are printed), 2 cannot read.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("directory", type=Path)
    add("--json", action="store_true", help="the report as one JSON document")
    add("--vkey", type=Path, metavar="FILE", help="a verifier key of the log, of now or before, that you kept")
    add("--checkpoint", type=Path, metavar="FILE", action="append", default=[], help="a checkpoint that you kept")
    add("--receipt", type=Path, metavar="FILE", action="append", default=[], help="a receipt that you were given")
    add("--policy", type=Path, metavar="FILE", help="a C2SP tlog-policy: who must have cosigned the newest checkpoint")
    add("--predecessor", type=Path, metavar="DIR", action="append", default=[], help="the export of the log that this one goes on from; repeated, that log's")
    add("--restricted", type=Path, metavar="DIR", help="the export of its restricted log")
    options = parser.parse_args(arguments)
    sys.stdout.reconfigure(errors="backslashreplace")  # no terminal is too plain for a report
    try:
        evidence = read_export(options.directory)
        predecessors = [read_export(path) for path in options.predecessor]
        restricted = read_restricted(options.restricted) if options.restricted else None
        kept = [read_bytes(path) for path in options.checkpoint]
        receipts = [read_text(path) for path in options.receipt]
        vkey = read_text(options.vkey) if options.vkey else None
        policy = Policy(read_bytes(options.policy)) if options.policy else None
    except Malformed as error:
        print(f"salus_verify: {options.policy}: {error}", file=sys.stderr)
        return 2
    except Unreadable as error:
        print(f"salus_verify: {error}", file=sys.stderr)
        return 2
    result = audit(evidence, kept, receipts, vkey, policy, predecessors, restricted)
    try:
        print(report.as_json(result) if options.json else report.as_text(result), flush=True)
    except OSError as error:
        # What is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # a reader that closes early is no failure
            print(f"salus_verify: {error}", file=sys.stderr)
            return 2
    return 0 if result.holds else 1


if __name__ == "__main__":
    sys.exit(main())
