#!/usr/bin/env bash
# `make test`: everything that must hold before a change lands. The test runner's summary comes last.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/prerequisites.sh
source scripts/python.sh
source scripts/postgres.sh
source scripts/s3.sh
need_toolchain
need_python
need_strace
need_postgres
need_s3

if [ ! -d ../shared/data ]; then
  if [ "${CI:-}" = true ]; then
    echo "salus: ../shared/data is missing, and CI must run the real-data tests" >&2
    exit 1
  fi
  echo "skipped: tests on real data (../shared/data is not there)"
fi

if [ "${1:-}" != --only-tests ]; then
  need_lints
  say "format"
  cargo fmt --all --check
  say "lints (the first run checks the dependencies too: about five minutes on two cores)"
  cargo clippy --locked --workspace --all-targets -- -D warnings
  say "documentation"
  RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --quiet
fi

say "building the tests (the first run builds the dependencies: about six minutes on two cores)"
cargo build --locked --workspace --all-targets
say "examples in the documentation"
cargo test --locked --workspace --doc --quiet
say "tests"
if cargo nextest --version >/dev/null 2>&1; then
  cargo nextest run --locked --workspace --no-fail-fast
else
  echo "(cargo-nextest is not installed; using cargo test)"
  cargo test --locked --workspace --lib --bins --tests --no-fail-fast
fi
