#!/usr/bin/env bash
# Sourced: a Python of our own with the packages of notebooks/requirements.txt, for the tests that read our files with other
# people's readers.

need_python() {
  local home="${CARGO_TARGET_DIR:-$HOME/.cache/salus-target}/python" wanted
  wanted=$(sha256sum notebooks/requirements.txt | cut -c1-16)
  if [ ! -e "$home/$wanted" ]; then
    say "a Python with pyarrow, to read the lake with another reader"
    rm -rf "$home"
    if ! make_python "$home" notebooks/requirements.txt; then
      [ "${CI:-}" = true ] && exit 1
      echo "skipped: tests with another reader (no Python with venv, or no package index)"
      return
    fi
    touch "$home/$wanted"
  fi
  export SALUS_PYTHON="$home/bin/python"
}

# make_python DIRECTORY REQUIREMENTS
make_python() {
  if ! python3 -m venv "$1" 2>/dev/null; then
    local sudo=""
    # Nobody is asked for a password for this.
    [ "$(id -u)" -eq 0 ] || sudo="sudo -n"
    command -v apt-get >/dev/null || return 1
    $sudo apt-get update -qq && $sudo apt-get install -y -qq python3 python3-venv || return 1
    python3 -m venv "$1" || return 1
  fi
  "$1/bin/pip" install --quiet --disable-pip-version-check -r "$2"
}
