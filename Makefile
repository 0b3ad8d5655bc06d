# Salus: two commands for a stranger, `make demo` and `make test`; `make bench` for figures.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
export CARGO_TARGET_DIR ?= $(HOME)/.cache/salus-target
export CARGO_TERM_COLOR ?= auto

.PHONY: help demo test bench soak

help: ## show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

demo: ## build, generate a synthetic population, ingest it, ask five questions, verify the ledger
	@scripts/demo.sh

test: ## format, lints, docs, doctests, and every test in Rust; real data from ../shared/data where it is present
	@scripts/test.sh

bench: ## criterion benches, then ratios against named floors in the same run (release build: takes a while)
	@scripts/bench.sh

soak: ## the statistical, replay and crash tests, longer: hours; SALUS_REPLAY_CASES and SALUS_DRAWS say how long
	@SALUS_SOAK=1 scripts/test.sh --only-tests
