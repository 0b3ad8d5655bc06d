"""An S3-compatible server on loopback with an empty bucket `lake`; it prints its port and ends with its standard input."""

import sys

from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

s3_backends[DEFAULT_ACCOUNT_ID]["aws"].create_bucket("lake", "us-east-1")
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
