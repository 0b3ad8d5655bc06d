"""Reads the encrypted Parquet files of a lake with pyarrow, for operators who hold its key.

    from salus_lake import Lake
    patients = Lake("~/.salus").table("patient")        # a pyarrow.Table

Everything here is what any reader of encrypted Parquet does: each file says in its footer's key metadata how its own key was
wrapped, and the master key in ``keys/lake.key`` unwraps it. The format is in docs/decisions/0022-at-rest.md.

A lake in a bucket is read from a copy on disk: docs/object-stores.md says how.
"""

import base64
import json
import pathlib
import re

import pyarrow
import pyarrow.parquet as parquet
import pyarrow.parquet.encryption as encryption
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE = 12


class KeyFile(encryption.KmsClient):
    """The master keys of ``keys/lake.key``: one ``name base64`` on each line."""

    def __init__(self, path):
        super().__init__()
        lines = pathlib.Path(path).read_text().split("\n")
        self.keys = dict(line.split(" ", 1) for line in lines if line.strip())

    def unwrap_key(self, wrapped_key, master_key_identifier):
        """Nonce, ciphertext and tag, with the master key's name as associated data."""
        if isinstance(master_key_identifier, bytes):
            master_key_identifier = master_key_identifier.decode()
        master = AESGCM(base64.b64decode(self.keys[master_key_identifier]))
        sealed = base64.b64decode(wrapped_key)
        return master.decrypt(sealed[:NONCE], sealed[NONCE:], master_key_identifier.encode())

    def wrap_key(self, key_bytes, master_key_identifier):
        raise NotImplementedError("this reader does not write")


class Unreadable(Exception):
    """There is no lake that this reader can open; the text says what to do."""


def home_on_disk(home):
    """The directory of a home whose lake is in it."""
    # A path would make one slash of the two.
    if "://" in str(home):
        raise Unreadable(_in_bucket(home))
    home = pathlib.Path(home).expanduser()
    settings = home / "home.yaml"
    named = re.search(r"^lake:\s*['\"]?([^\s'\"]+)", settings.read_text() if settings.is_file() else "", re.MULTILINE)
    if named:
        raise Unreadable(_in_bucket(named[1]))
    if not (home / "lake" / "_snapshots").is_dir():
        raise Unreadable(f"{home} has no lake/_snapshots; name the directory that `salus init` made")
    return home


def _in_bucket(place):
    return (
        f"{place} is in an object store, which this reader does not reach: copy all of the prefix into COPY/lake, "
        'then Lake("COPY", key="HOME/keys/lake.key"); see docs/object-stores.md'
    )


class Lake:
    """The newest snapshot of the lake in a home, or the one of this number.

    `key` is the file of the master key, if it is not the home's. Raises Unreadable for a lake in a bucket, and where there is none.
    """

    def __init__(self, home, number=None, key=None):
        self.home = home_on_disk(home)
        key = pathlib.Path(key).expanduser() if key else self.home / "keys" / "lake.key"
        names = sorted(path.name for path in (self.home / "lake" / "_snapshots").glob("*.json"))
        if not names:
            raise Unreadable(f"the lake in {self.home} is empty: `salus ingest fhir DIR` fills it")
        name = names[-1] if number is None else f"{number:010}.json"
        self.snapshot = json.loads((self.home / "lake" / "_snapshots" / name).read_text())
        self.factory = encryption.CryptoFactory(lambda _: KeyFile(key))

    def files(self, table):
        """Paths of a table's files, in the order of person_id."""
        version = self.snapshot["tables"][table]
        # The directory of a table that a view fills names the definition.
        directory = f"{table}-{version['view'][:12]}" if "view" in version else table
        return [self.home / "lake" / directory / file["path"] for file in version["files"]]

    def open(self, path, columns=None):
        """One file as a pyarrow.Table."""
        keys = self.factory.file_decryption_properties(encryption.KmsConnectionConfig())
        read = parquet.ParquetFile(path, decryption_properties=keys).read(columns)
        # Under which number a row of a linked person came is the lake's own business, and not every file says it.
        hidden = columns is None and "member_id" in read.column_names
        return read.drop_columns(["member_id"]) if hidden else read

    def table(self, name, columns=None):
        """A whole table."""
        return pyarrow.concat_tables([self.open(path, columns) for path in self.files(name)])
