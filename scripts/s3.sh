#!/usr/bin/env bash
# Sourced by the test command: a Python of our own with moto, an S3-compatible server, for the tests of lakes in a bucket.
# The tests start servers of their own from it; without it they say so and are skipped, and where CI=true they fail.

need_s3() {
  own_python s3-server scripts/s3-server.txt "moto, an object store for tests" "tests on an object store" || return 0
  export SALUS_S3_PYTHON="$made"
}
