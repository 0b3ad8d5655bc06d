#!/usr/bin/env bash
# Sourced: finds what a fresh machine lacks, and installs it where that is possible.

need_toolchain() {
  if ! command -v cargo >/dev/null; then
    echo "salus: no Rust toolchain. Install rustup from your distribution or from rustup.rs, then run this again." >&2
    exit 1
  fi
  local missing=()
  command -v cc >/dev/null || missing+=(gcc libc6-dev)
  command -v make >/dev/null || missing+=(make)
  if [ "${#missing[@]}" -gt 0 ]; then
    echo "== installing ${missing[*]} (C compiler for SQLite, zstd and the TLS library)"
    local sudo=""
    [ "$(id -u)" -eq 0 ] || sudo=sudo
    if ! command -v apt-get >/dev/null || { [ -n "$sudo" ] && ! command -v sudo >/dev/null; }; then
      echo "salus: cannot install them here; install ${missing[*]}, then run this again." >&2
      exit 1
    fi
    $sudo apt-get update -qq && $sudo apt-get install -y -qq "${missing[@]}"
  fi
}

# Puts faults into system calls for privacy/ledger/tests/faults, which says so where it goes without.
need_strace() {
  command -v strace >/dev/null && return
  local sudo=""
  [ "$(id -u)" -eq 0 ] || sudo="sudo -n"
  if command -v apt-get >/dev/null && { [ -z "$sudo" ] || command -v sudo >/dev/null; }; then
    echo "== installing strace (faults in system calls)"
    { $sudo apt-get update -qq && $sudo apt-get install -y -qq strace; } && return
  fi
  echo "skipped: faults in system calls (strace is not there and cannot be installed here)"
}

# The components that rustup's minimal profile leaves out.
need_lints() {
  cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 && return
  if ! command -v rustup >/dev/null; then
    echo "salus: rustfmt or clippy is missing, and there is no rustup to install them. Install those of your toolchain (rustfmt and rust-clippy on Debian), or run scripts/test.sh --only-tests, which goes without." >&2
    exit 1
  fi
  echo "== installing rustfmt and clippy"
  rustup component add rustfmt clippy
}

# say TEXT: a step, with the time since the start, so that a first run shows how far it is.
started=$(date +%s)
say() {
  local seconds=$(( $(date +%s) - started ))
  printf '\n== [%02d:%02d] %s\n' $((seconds / 60)) $((seconds % 60)) "$*"
}
