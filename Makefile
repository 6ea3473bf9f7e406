# Two commands do everything on a fresh machine with git, make and python3: `make demo` and `make test`.
SHELL := /bin/bash
.DEFAULT_GOAL := help
DATA ?= var
PYTHON := .venv/bin/python
EXTRAS := test local controller telemetry console screening scheduler billing homecare registry # tests first

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

setup: ## install everything: runtime, tests, benches
	@scripts/setup test

demo: ## beds of two clinics in a browser; Ctrl-C ends it
	@scripts/setup runtime
	@.venv/bin/spondyl up --demo --data "$(DATA)"

test: setup ## lint and every test of CI
	@scripts/test

lint: setup ## ruff, mypy, import rules, committed contract
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@PYTHONPATH=. .venv/bin/lint-imports
	@.venv/bin/spondyl contract check

VERIFY_SESSIONS := 100000
verify: setup ## the long forms: 100 000 simulated sessions, broken kernels, many examples, an hour of soak
	@.venv/bin/spondyl verify --sessions $(VERIFY_SESSIONS) --faults all --seed 1 --write docs/verification.md
	@.venv/bin/spondyl verify --mutants
	@.venv/bin/pytest -q -m "soak and not system" --hypothesis-profile=verify
	@.venv/bin/pytest -q tests -m "not soak" --hypothesis-profile=verify
	@mkdir -p test-output
	@set -o pipefail; .venv/bin/spondyl bench soak --minutes 60 --beds 6 --json | tee test-output/bench-soak.json

chaos: setup ## every fault of the table for minutes, then many deaths; writes docs/operations.md
	@SPONDYL_CHAOS_FORM=long .venv/bin/pytest -q tests/chaos
	@.venv/bin/pytest -q tests/scheduler/test_chaos.py tests/billing/test_chaos.py tests/kit/test_business.py

BENCHES := "kernel" "guarding --hours 200" "tracking --patients 1000" "loop --beds 8 --period-ms 20 --seconds 30 --hog" "link --seconds 30" "ingest --devices 2000 --seconds 30" \
  "store --sessions 200" "fleet --steps 100,1000,5000" \
  "scale --replicas 1,2 --devices 100,1000" "wall --beds 1000 --browsers 3 --seconds 30" \
  "plan --sites 20 --devices 60 --utilisation 0.8 --cures 200" "invoices --count 1000"
bench: setup ## every benchmark as JSON, each with its peer in the same run; fails when one misses its goal
	@mkdir -p test-output; status=0; for bench in $(BENCHES); do \
	  .venv/bin/spondyl bench $$bench --json | tee test-output/bench-$${bench%% *}.json; \
	  status=$$((status | PIPESTATUS[0])); done; exit $$status

docs: setup ## write the generated pages anew: topics, AsyncAPI, schemas, access rules, settings
	@.venv/bin/spondyl contract check --write
	@.venv/bin/python -m deploy.reference

pictures: setup ## take the picture of every page anew, into docs/pictures
	@.venv/bin/python tests/browser/pictures.py

FUZZED := message tension packets topic gdt einvoice invoice-pdf invoice-json statement token archive-block
SECONDS_EACH := 600
fuzz: setup ## every reader of foreign bytes, coverage-guided by atheris, SECONDS_EACH=600 each; keeps what it finds
	@test -d test-output/atheris || .venv/bin/pip install -q --no-deps --target test-output/atheris "atheris==3.0.0"
	@for target in $(FUZZED); do PYTHONPATH=test-output/atheris .venv/bin/python tests/fuzz/explore.py $$target \
	  --seconds $(SECONDS_EACH) || exit 1; done

audit: setup ## what is known against any package that is installed; fails when that cannot be asked
	@.venv/bin/python -m deploy.dependencies

lock: ## resolve dependencies anew (needs uv): what is installed is what is tested; no download addresses
	@for extra in $(EXTRAS); do \
	  uv pip compile -q --universal --generate-hashes --no-emit-index-url --python-version 3.11 pyproject.toml \
	    --extra $$extra -o requirements/$$extra.lock --custom-compile-command "make lock" \
	    $$([ $$extra = test ] || echo --constraints requirements/test.lock) || exit 1; \
	  sed -i.old '/^    #   -c requirements/d' requirements/$$extra.lock && rm requirements/$$extra.lock.old; done

# --- containers: docker with compose, or podman with podman-compose ---
STACK := .venv/bin/python -m deploy.containers
images: setup ## build every container image, print a table of sizes (JSON=1: as JSON)
	@$(STACK).images $(if $(JSON),--json)

sbom: setup ## a CycloneDX file an image and a table of licences, into test-output/sbom
	@$(STACK).sbom

stack: setup ## centre, two clinics, made-up people in containers, all healthy (SCALE="ingest=2 billing=2")
	@$(STACK).stack up $(foreach replicas,$(SCALE),--scale $(replicas))

stack-down: setup ## end the containers (PURGE=1: with their volumes and secrets)
	@$(STACK).stack down $(if $(PURGE),--purge)

chaos-stack: setup ## every fault in a chain of containers, for its long time; writes docs/operations.md (root, podman)
	@scripts/chaos-stack

stack-test: setup ## the system tests against the running containers
	@.venv/bin/pytest -q -n 0 -m stack tests/stack

chaos-cluster: setup ## each of three RabbitMQ nodes killed under load, as the central broker (root, podman)
	@.venv/bin/pytest -q -n 0 tests/cluster && cat test-output/chaos-cluster.json

.PHONY: images sbom stack stack-down stack-test chaos-stack chaos-cluster
.PHONY: audit fuzz
.PHONY: help setup demo test lint verify chaos bench docs pictures lock
