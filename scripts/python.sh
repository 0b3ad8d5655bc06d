#!/usr/bin/env bash
# Sourced: a Python of our own with the packages of notebooks/requirements.txt, for the tests that read our files with other
# people's readers.

need_python() {
  own_python python notebooks/requirements.txt "pyarrow, to read the lake with another reader" "tests with another reader" || return 0
  export SALUS_PYTHON="$made"
}

# own_python NAME REQUIREMENTS WHAT TESTS: a virtual environment that is made once, and again when its requirements change. `made` is its
# Python. Without one the tests are skipped, and where CI=true they must not be.
own_python() {
  local home="${CARGO_TARGET_DIR:-$HOME/.cache/salus-target}/$1" wanted
  wanted=$(sha256sum "$2" | cut -c1-16)
  if [ ! -e "$home/$wanted" ]; then
    say "a Python with $3"
    rm -rf "$home"
    if ! make_python "$home" "$2"; then
      if [ "${CI:-}" = true ]; then
        echo "salus: CI must run $4" >&2
        exit 1
      fi
      echo "skipped: $4 (see the line above)"
      return 1
    fi
    touch "$home/$wanted"
  fi
  made="$home/bin/python"
}

# make_python DIRECTORY REQUIREMENTS: says what keeps it from being made.
make_python() {
  if ! python3 -m venv "$1" >/dev/null 2>&1; then
    local sudo=()
    # Nobody is asked for a password for this.
    [ "$(id -u)" -eq 0 ] || sudo=(sudo -n)
    if command -v apt-get >/dev/null && "${sudo[@]}" true 2>/dev/null; then
      echo "== installing python3-venv"
      "${sudo[@]}" apt-get update -qq && "${sudo[@]}" apt-get install -y -qq python3 python3-venv || true
    fi
    if ! python3 -m venv "$1" >/dev/null 2>&1; then
      echo "salus: \`python3 -m venv\` does not work, and it cannot be installed here; install Python 3.11 or later with venv (python3 and python3-venv on Debian)" >&2
      return 1
    fi
  fi
  if ! "$1/bin/pip" install --quiet --disable-pip-version-check -r "$2"; then
    echo "salus: pip could not install $2 for $(python3 --version); that takes Python 3.11 or later, and a package index that has these versions" >&2
    return 1
  fi
}
