#!/usr/bin/env bash
# `make bench`: figures over named floors in the same run, then criterion benches, briefly.
#   SALUS_BENCH_PERSONS (200000), SALUS_BENCH_EXPORT_PERSONS (16000), SALUS_BENCH_ROUNDS (7), SALUS_BENCH_JSON
#   scripts/bench.sh --ratios leaves out criterion.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/prerequisites.sh
need_toolchain
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$HOME/.cache/salus-target}"

json=${SALUS_BENCH_JSON:-$CARGO_TARGET_DIR/bench/ratios.json}
mkdir -p "$(dirname "$json")"

say "building with optimisation (the first time takes long: DataFusion alone is most of it)"
cargo build --locked --release --workspace

say "figures over floors (load: $(cut -d' ' -f1-3 /proc/loadavg))"
"$CARGO_TARGET_DIR/release/ratios" "$json"

if [ -z "${SALUS_DUCKDB:-}" ] && python3 -c 'import duckdb' 2>/dev/null; then
  export SALUS_DUCKDB=python3
fi
say "dp5: five questions over 2 million persons (load: $(cut -d' ' -f1-3 /proc/loadavg))"
env -u SALUS_BENCH_PERSONS "$CARGO_TARGET_DIR/release/dp5" "$(dirname "$json")/dp5.json"

if [ "${1:-}" != --ratios ]; then
  say "criterion: noise and ledger"
  cargo bench --locked --workspace --bench sampler -- --warm-up-time 0.5 --measurement-time 2
  say "criterion: questions (a synthetic lake of ${SALUS_BENCH_PERSONS:-200000} persons is made first)"
  cargo bench --locked --workspace --bench query -- --warm-up-time 0.5 --measurement-time 2
  say "ingest"
  cargo bench --locked --workspace --bench ingest
fi
