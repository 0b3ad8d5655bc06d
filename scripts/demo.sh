#!/usr/bin/env bash
# `make demo`: the whole way of a question on a synthetic population, in a home of its own that is made anew each time.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/prerequisites.sh
need_toolchain

export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$HOME/.cache/salus-target}
persons=${SALUS_DEMO_PERSONS:-10000}
demo=${SALUS_DEMO_DIR:-${CARGO_TARGET_DIR}/demo}
export SALUS_HOME="$demo/home"
# What the user of the demo has seen of its ledger goes with the demo.
export XDG_STATE_HOME="$demo/state"

say "building salus (a first build compiles some 500 crates: five to eight minutes on two cores; later ones take seconds)"
cargo build --locked -p salus-cli -p salus-checker
salus="$CARGO_TARGET_DIR/debug/salus"
export PATH="$CARGO_TARGET_DIR/debug:$PATH"

# Only what a former demo left is cleared away.
if [ -n "${SALUS_DEMO_DIR:-}" ] && [ -e "$demo" ] && [ ! -e "$demo/.salus-demo" ] && [ -n "$(ls -A "$demo")" ]; then
  echo "salus: $demo is not of a former demo; name another place in SALUS_DEMO_DIR" >&2
  exit 1
fi
rm -rf "$demo"
mkdir -p "$demo"
touch "$demo/.salus-demo"

say "a new home: lake, ledger, signing key; lifetime budget epsilon 10, delta 1e-6"
"$salus" init --epsilon 10 --delta 1e-6

say "a synthetic population of $persons persons as a FHIR bulk export"
"$salus" synth --persons "$persons" --seed 1 --out "$demo/export"

say "reading the export into the lake"
"$salus" ingest fhir "$demo/export"

ask() {
  say "$1"
  shift
  printf 'salus query "%s" %s\n' "$1" "${*:2}"
  "$salus" query "$@"
}

ask "1. How many people live with diabetes, by sex?" \
  "SELECT p.sex, COUNT(DISTINCT p.person_id) AS persons FROM patient p JOIN condition c ON c.person_id = p.person_id WHERE c.code = '44054006' GROUP BY p.sex" --epsilon 0.5

ask "2. What is the age structure?" \
  "SELECT age_band(birth_date, DATE '2025-01-01', 10) AS age, COUNT(*) AS persons FROM patient WHERE NOT deceased GROUP BY age_band(birth_date, DATE '2025-01-01', 10)" --epsilon 0.5

ask "3. How high is the HbA1c of those who were tested? (mean of each person's highest)" \
  "SELECT AVG(clamp(worst, 4, 14)) AS mean_hba1c, COUNT(*) AS persons FROM (SELECT person_id, MAX(value) AS worst FROM observation WHERE code = '4548-4' GROUP BY person_id) h" --epsilon 0.5

ask "4. Is blood pressure worse where deprivation is greater? (mean systolic by decile)" \
  "SELECT p.deprivation, AVG(clamp(b.systolic, 80, 200)) AS systolic FROM patient p JOIN (SELECT person_id, MAX(value) AS systolic FROM observation_component WHERE code = '8480-6' GROUP BY person_id) b ON b.person_id = p.person_id GROUP BY p.deprivation" --epsilon 1

ask "5. Who with diabetes has no HbA1c on record? (a care gap, by sex)" \
  "SELECT p.sex, COUNT(DISTINCT p.person_id) AS persons FROM patient p WHERE p.person_id IN (SELECT person_id FROM condition WHERE code = '44054006') AND NOT EXISTS (SELECT 1 FROM observation o WHERE o.person_id = p.person_id AND o.code = '4548-4') GROUP BY p.sex" --epsilon 0.5

say "a question that no budget can buy: rows of persons"
"$salus" query "SELECT person_id, birth_date FROM patient LIMIT 5" || echo "(exit code $?)"

say "what has been spent, and what remains"
"$salus" budget show

say "the ledger: every question, answered or refused"
"$salus" ledger list

say "verified: tree, signatures, prices, balances"
"$salus" ledger verify

say "verified again by the program that shares no code with Salus, from plain files"
"$salus" ledger export "$demo/evidence"
salus-audit "$demo/evidence"

say "done; the home is $SALUS_HOME, try: SALUS_HOME=$SALUS_HOME $salus query --dry-run \"SELECT COUNT(*) FROM patient\""
