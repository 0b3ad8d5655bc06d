"""The second verifier of the ledger, written from docs/ledger-format.md and docs/proofs/checker-rules.md alone.

It shares neither code nor language with `salus-audit`, so that an error in one of the two shows as a disagreement.
"""
