#!/usr/bin/env bash
# Sourced by the test command: a Python of our own with moto, an S3-compatible server, for the tests of lakes in a bucket.
# The tests start servers of their own from it; without it they say so and are skipped, and where CI=true they fail.

need_s3() {
  local home="${CARGO_TARGET_DIR:-$HOME/.cache/salus-target}/s3-server" wanted
  wanted=$(sha256sum scripts/s3-server.txt | cut -c1-16)
  if [ ! -e "$home/$wanted" ]; then
    say "a Python with moto, an object store for tests"
    rm -rf "$home"
    if ! make_python "$home" scripts/s3-server.txt; then
      [ "${CI:-}" = true ] && exit 1
      echo "skipped: tests on an object store (no Python with venv, or no package index)"
      return
    fi
    touch "$home/$wanted"
  fi
  export SALUS_S3_PYTHON="$home/bin/python"
}
