"""The decoder accepts one encoding of each item and nothing else."""

import random
import unittest

from support import encode  # first: it puts the verifier on the path
from salus_verify import cbor
from salus_verify.findings import Malformed
from test_fields import REFUSED


class Decoder(unittest.TestCase):
    def test_what_is_canonical_is_read(self):
        for text, item in (
            [("00", 0), ("17", 23), ("1818", 24), ("18ff", 255), ("190100", 256), ("19ffff", 65535)]
            + [("1a00010000", 65536), ("1b0000000100000000", 2**32), ("1b" + "ff" * 8, 2**64 - 1)]
            + [("40", b""), ("4100", b"\0"), ("5818" + "00" * 24, bytes(24)), ("60", ""), ("62c3a9", "\u00e9")]
            + [("80", []), ("8100", [0]), ("a0", {}), ("a1616100", {"a": 0}), ("f4", False), ("f5", True)]
            + [("a26161006162f5", {"a": 0, "b": True}), ("a2616200626161f5", {"b": 0, "aa": True})]
        ):
            data = bytes.fromhex(text)
            self.assertEqual(cbor.decode(data), item, text)
            self.assertEqual(type(cbor.decode(data)), type(item), text)
            self.assertEqual((encode(item), cbor.encode(item)), (data, data), text)
            for spoilt in (data + b"\0", data[:-1]):
                with self.assertRaises(Malformed, msg=spoilt.hex()):
                    cbor.decode(spoilt)

    def test_what_is_not_is_refused(self):
        more = "1817 1900ff 1a0000ffff 1b00000000ffffffff 5817 7817 9800 b800 3b7fffffffffffffff d9d9f700 f800"
        more = [bytes.fromhex(text) for text in (more + " f8ff a1f500").split()]
        # Sorted by length first, as older rules had it, is not sorted bytewise where the two differ.
        more += [b"\xa2\x62ab\x00\x61c\x00", b"\x81" * 16 + b"\x00"]
        for data in REFUSED + more:
            with self.assertRaises(Malformed, msg=data.hex()):
                cbor.decode(data)
        self.assertEqual(cbor.decode(b"\x81" * 15 + b"\x00"), eval("[" * 15 + "0" + "]" * 15))

    def test_whatever_is_read_has_these_bytes_and_no_others(self):
        chance, read = random.Random(1), 0
        for _ in range(100_000):
            data = chance.randbytes(chance.randrange(1, 7))
            try:
                item = cbor.decode(data)
            except Malformed:
                continue
            self.assertEqual((encode(item), cbor.encode(item)), (data, data))
            read += 1
        self.assertGreater(read, 1000)


if __name__ == "__main__":
    unittest.main()
