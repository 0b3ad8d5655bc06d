"""Every log that was kept is read, and holds, with its receipts and its witnesses."""

import unittest

import support
import verdict
from salus_verify.export import read_restricted
from support import SOUND

LOGS = sorted(path for path in SOUND.parent.iterdir() if path.is_dir())


class Fixtures(unittest.TestCase):
    def test_every_kept_log_holds(self):
        kinds = set()
        for log in LOGS:
            brought = lambda name: (log / name).read_bytes() if (log / name).exists() else None  # noqa: E731
            vkey, policy = brought("first.vkey"), brought("policy")
            receipts = [path.read_text() for path in sorted((log / "receipts").iterdir())]
            beside = log / "restricted"
            restricted = read_restricted(beside) if beside.is_dir() else None
            report = verdict.verdict(
                support.read(log),
                log.name,
                receipts=receipts,
                vkey=vkey and vkey.decode(),
                policy=policy,
                restricted=restricted,
            )
            self.assertEqual(report.findings, [], log.name)
            self.assertEqual(report.restricted is None, restricted is None)
            if restricted:
                self.assertEqual(report.restricted.findings, [], log.name)
            kinds |= set(report.kinds)
        self.assertGreaterEqual(len(kinds), 17)


if __name__ == "__main__":
    unittest.main()
