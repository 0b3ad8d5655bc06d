#!/usr/bin/env bash
# Sourced by the test command, or run by itself: finds PostgreSQL's server programs, and installs Debian's package where that is possible.
# The tests start a server of their own from them; without them they say so and are skipped, and where CI=true they fail.

have_postgres() {
  command -v initdb >/dev/null && return
  local found
  for found in /usr/lib/postgresql/*/bin/initdb; do
    [ -x "$found" ] && return
  done
  return 1
}

need_postgres() {
  have_postgres && return
  local sudo=()
  # Nobody is asked for a password for this.
  [ "$(id -u)" -eq 0 ] || sudo=(sudo -n)
  if command -v apt-get >/dev/null && "${sudo[@]}" true 2>/dev/null; then
    echo "== installing postgresql (the ledger's tests on several nodes start a server of their own)"
    "${sudo[@]}" apt-get update -qq &&
      "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql || true
  fi
  have_postgres && return
  if [ "${CI:-}" = true ]; then
    echo "salus: PostgreSQL is not installed and cannot be installed here, and CI must run its tests" >&2
    exit 1
  fi
  echo "skipped: tests on PostgreSQL (it is not installed, and cannot be installed here)"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  set -euo pipefail
  need_postgres
fi
