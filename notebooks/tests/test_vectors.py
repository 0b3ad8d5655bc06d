"""Vectors that others wrote: RFC 6962 inclusion proofs, a C2SP log, Ed25519. They lie beside the repository."""

import base64
import binascii
import json
import os
import re
import unittest

from support import REPOSITORY  # first: it puts the verifier on the path
from salus_verify.findings import Malformed
from salus_verify.merkle import included, leaf_hash, roots
from salus_verify.note import Checkpoint, Key, verifies

VECTORS = REPOSITORY.parent / "shared/data/ledger"


@unittest.skipUnless(VECTORS.exists() or os.environ.get("CI") == "true", f"{VECTORS} is not there")
class Vectors(unittest.TestCase):
    def test_inclusion(self):
        seen = {False: 0, True: 0}
        for file in sorted((VECTORS / "merkle/inclusion").rglob("*.json")):
            vector = json.loads(file.read_text())
            try:
                leaf, root = (base64.b64decode(vector[name]) for name in ("leafHash", "root"))
                proof = [base64.b64decode(text) for text in vector["proof"] or []]
            except (binascii.Error, TypeError):
                self.assertTrue(vector["wantErr"], file)
                continue
            # The program reads neither signs nor hashes of another length.
            form = vector["leafIdx"] >= 0 and all(len(each) == 32 for each in [leaf, root, *proof])
            holds = form and included(vector["leafIdx"], vector["treeSize"], leaf, proof, root)
            self.assertEqual(holds, not vector["wantErr"], file)
            seen[holds] += 1
        self.assertGreater(seen[False], 60)
        self.assertGreater(seen[True], 3)

    def test_a_log_of_another_implementation(self):
        """15 entries with a checkpoint for each; an entry bundle is each entry behind its length in two bytes."""
        directory = VECTORS / "tessera-log"
        key = Key.parse(re.search('LOG_PUBLIC_KEY="(.*)"', (directory / "build_log.sh").read_text())[1])
        bundle, entries = (directory / "log/tile/entries/000.p/15").read_bytes(), []
        while bundle:
            length = int.from_bytes(bundle[:2], "big")
            entries.append(bundle[2 : 2 + length])
            bundle = bundle[2 + length :]
        self.assertEqual((entries[0], len(entries)), (b"one", 15))
        expected = roots([leaf_hash(entry) for entry in entries])
        for size in range(16):
            data = (directory / f"log/checkpoint.{size}").read_bytes()
            checkpoint = Checkpoint.parse(data)
            self.assertEqual((checkpoint.origin, checkpoint.size, checkpoint.root), (key.name, size, expected[size]))
            self.assertTrue(checkpoint.note.signed_by(key))
            for at in range(len(data)):
                try:
                    changed = Checkpoint.parse(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
                except Malformed:
                    continue
                self.assertFalse(changed.note.signed_by(key), f"checkpoint {size} byte {at}")

    def test_ed25519(self):
        document = json.loads((VECTORS / "wycheproof/ed25519_test.json").read_text())
        seen = {False: 0, True: 0}
        for group in document["testGroups"]:
            public = bytes.fromhex(group["publicKey"]["pk"])
            for test in group["tests"]:
                holds = verifies(public, bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"]))
                self.assertEqual(holds, test["result"] == "valid", test["comment"])
                seen[holds] += 1
        self.assertGreater(min(seen.values()), 50)


if __name__ == "__main__":
    unittest.main()
