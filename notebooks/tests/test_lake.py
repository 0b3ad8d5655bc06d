"""Which homes the reader of the lake opens, and what it says of the others. That it reads rows is tested in ingest/fhir/tests/foreign.rs,
which has a lake to read."""

import base64
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from support import NOTEBOOKS

try:
    import pyarrow  # noqa: F401
except ImportError:
    raise unittest.SkipTest("pyarrow, which the reader of the lake needs, is not installed") from None

from salus_lake import Lake, Unreadable  # noqa: E402


def home_with(files):
    """A directory with these files; it goes with the value."""
    directory = tempfile.TemporaryDirectory()
    for name, text in files.items():
        file = Path(directory.name) / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return directory


KEY = "a " + base64.b64encode(bytes(32)).decode() + "\n"
SNAPSHOT = {"lake/_snapshots/0000000001.json": json.dumps({"number": 1, "tables": {"patient": {"files": [{"path": "x.parquet"}]}}})}


class Homes(unittest.TestCase):
    def refused(self, home, *words):
        with self.assertRaises(Unreadable) as caught:
            Lake(home)
        for word in words:
            self.assertIn(word, str(caught.exception))

    def test_a_bucket_is_refused_with_what_to_do(self):
        self.refused("s3://lake/north", "s3://lake/north", "object store", "COPY/lake")

    def test_a_home_whose_lake_is_in_a_bucket_is_refused(self):
        for line in ("lake: s3://lake/north", "lake: 's3://lake/north'", 'lake: "s3://lake/north"'):
            # What lies in `lake/` of such a home is old, if it is anything.
            with home_with({"home.yaml": f"{line}\nanchor: anchor\n", "keys/lake.key": KEY, **SNAPSHOT}) as home:
                self.refused(home, "s3://lake/north is in an object store")

    def test_a_copy_of_a_bucket_is_read_with_the_key_of_the_home(self):
        with home_with({"keys/lake.key": KEY, "home.yaml": "lake: s3://lake/north\n"}) as home, home_with(SNAPSHOT) as copy:
            lake = Lake(copy, key=f"{home}/keys/lake.key")
            self.assertEqual(lake.snapshot["number"], 1)
            self.assertEqual(lake.files("patient"), [Path(copy, "lake/patient/x.parquet")])

    def test_a_home_with_its_own_lake_is_read(self):
        with home_with({"home.yaml": "anchor: anchor\nledger: ledger-1\n", "keys/lake.key": KEY, **SNAPSHOT}) as home:
            self.assertEqual(Lake(home).snapshot["number"], 1)

    def test_what_is_no_home_and_what_is_empty_is_said(self):
        with home_with({}) as home:
            self.refused(home, "has no lake/_snapshots")
            os.makedirs(f"{home}/lake/_snapshots")
            self.refused(home, "is empty")

    def test_the_command_says_it_in_one_line(self):
        run = subprocess.run([sys.executable, "-m", "salus_lake", "s3://lake/north"], cwd=NOTEBOOKS, capture_output=True, text=True)
        self.assertEqual((run.returncode, run.stdout), (1, ""))
        self.assertTrue(run.stderr.startswith("salus_lake: s3://lake/north is in an object store"), run.stderr)
        self.assertEqual(run.stderr.count("\n"), 1)


if __name__ == "__main__":
    unittest.main()
