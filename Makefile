# Two commands do everything on a fresh machine with git, make and python3: `make demo` and `make test`.
SHELL := /bin/bash
.DEFAULT_GOAL := help
DATA ?= var
PYTHON := .venv/bin/python
EXTRAS := controller telemetry console local test

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

setup: ## install everything: runtime, tests, benches
	@scripts/setup test

demo: ## beds of two clinics in a browser; Ctrl-C ends it
	@scripts/setup runtime
	@.venv/bin/spondyl up --data "$(DATA)"

test: setup lint ## lint and every test of CI
	@scripts/test

lint: setup ## ruff, mypy, import rules, committed contract
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@PYTHONPATH=. .venv/bin/lint-imports
	@.venv/bin/spondyl contract check

verify: setup ## the long forms: simulated hours, tracking at every period, property tests with many examples
	@.venv/bin/pytest -q -m "soak and not system" --hypothesis-profile=verify
	@.venv/bin/pytest -q tests --hypothesis-profile=verify

chaos: setup ## every fault of the table for minutes, then many deaths; writes the table of docs/operations.md
	@SPONDYL_CHAOS_FORM=long .venv/bin/pytest -q tests/chaos

bench: setup ## every benchmark as JSON, each with its peer in the same run
	@mkdir -p test-output
	@.venv/bin/spondyl bench kernel --json | tee test-output/bench-kernel.json
	@.venv/bin/spondyl bench loop --beds 8 --period-ms 20 --seconds 30 --hog --json | tee test-output/bench-loop.json

docs: setup ## write the generated pages anew: topics, AsyncAPI, schemas, access rules, settings
	@.venv/bin/spondyl contract check --write
	@.venv/bin/python -m deploy.reference

lock: ## resolve dependencies anew (needs uv); hashes only, no download addresses
	@for extra in $(EXTRAS); do \
	  uv pip compile -q --universal --generate-hashes --no-emit-index-url --python-version 3.11 pyproject.toml \
	    --extra $$extra -o requirements/$$extra.lock --custom-compile-command "make lock" || exit 1; done

.PHONY: help setup demo test lint verify chaos bench docs lock
