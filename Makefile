# Everything runs from .venv, which `make setup` builds from requirements.lock; other targets run `make setup` if needed.
# `make help` prints each target with the comment after `##`.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

BIN := .venv/bin
SETUP := .venv/.setup
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))
PYTHON ?= $(shell for p in python3.11 python3.12 python3; do $$p -c '$(SUPPORTED)' 2>/dev/null && echo $$p && break; done)
CHECKED := assess_core assess_cli stream assess_assets graphql_api deploy tests benchmarks
N := 100
SEED := 1
STORES := embedded
UV := uv==0.13.9
# uv installs ten times faster than pip and shows its progress; pip shows its progress bar only on a terminal.
# pip compiles the packages; uv does so on request. Otherwise all processes of the first test run compile them.
FAST = $(shell uv --version 2>/dev/null)
INSTALL = $(if $(FAST),uv pip install --compile-bytecode --python $(BIN)/python,$(BIN)/pip install --disable-pip-version-check --progress-bar on)
COMPILE := .venv/lock/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --fork-strategy fewest --no-strip-extras \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet

.PHONY: help setup demo test test-all crash fuzz check format up bench spark docs site contracts lock notices wheel clean

help: ## List the targets.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 12

setup: $(SETUP) ## Make .venv with the locked packages (Python 3.11 or 3.12; PYTHON=... picks one).

$(SETUP): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or 3.12 is needed: install it, or give its path: make setup PYTHON=/path/to/python3.12" >&2; exit 1; }
	@echo "setup: about $$(grep -c '^[a-z].*==' requirements.lock) packages into .venv, with $(if $(FAST),uv: some seconds,pip: one to two minutes)"
	$(PYTHON) -m venv --clear .venv
	$(INSTALL) --require-hashes -r requirements.lock
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@
	@echo "setup: done. In every new shell, type:  . .venv/bin/activate"

demo: $(SETUP) ## Run the whole loop on sample events and show that no answer changes.
	$(BIN)/assess demo

test: $(SETUP) ## Run the tests that need no server and less than a second of a core: four to five minutes on two cores.
	TEST_SERVERS=none $(BIN)/pytest -n 3 -m "not long" --durations-min=2

test-all: $(SETUP) ## Run all tests (four processes: on two cores, tests wait for servers a third of the time).
	$(BIN)/pytest -n 4

crash: $(SETUP) ## Kill processes of the product in N seeded runs (N=100; SEED=1, STORES=embedded or cassandra).
	nice -n 10 $(BIN)/python -m tests.crash --seed $(SEED) --seeds $(N) --stores $(STORES)

fuzz: $(SETUP) ## Send 10,000 requests that Schemathesis makes from the OpenAPI document (SEED=1; about five minutes).
	nice -n 10 $(BIN)/python -m tests.fuzz_contract --cases 10000 --seed $(SEED)

check: $(SETUP) ## Lint, check the formatting and check the types.
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/ruff format --check $(CHECKED)
	$(BIN)/mypy

format: $(SETUP) ## Format the code and apply the safe fixes of the linter.
	$(BIN)/ruff check --fix $(CHECKED)
	$(BIN)/ruff format $(CHECKED)

up: $(SETUP) ## Run stream, Dagster and API together; Ctrl-C stops them.
	$(BIN)/assess up

bench: $(SETUP) ## Measure the product beside its peers and the limits of this machine (ROW=name, SIZE=tiny or a share).
	$(BIN)/python -m benchmarks $(if $(ROW),--row $(ROW)) $(if $(SIZE),--size $(SIZE))

spark: $(SETUP) ## Fetch PySpark and its jars (330 MB) into the user's cache: for the Spark job and for `make bench`.
	$(BIN)/python -m deploy.spark

docs: $(SETUP) ## Check the docs: links, commands, and a line for every setting, command and error.
	$(BIN)/pytest tests/test_docs.py

site: $(SETUP) ## Build the docs as web pages into dist/site; a link that leads nowhere fails.
	$(BIN)/zensical build --clean --strict

contracts: $(SETUP) ## Write the contracts and the reference in docs/; changes that break clients are named (BREAKING=1: write anyway).
	$(BIN)/python -m tests.contracts $(if $(BREAKING),--breaking)

lock: $(SETUP) ## Resolve the lock files again; versions stay unless pyproject.toml changed (UPGRADE=1: newest).
	$(PYTHON) -m venv .venv/lock
	.venv/lock/bin/pip install --quiet --disable-pip-version-check $(UV)
	$(COMPILE) --extra dev $(if $(UPGRADE),--upgrade) --output-file requirements.lock
	$(COMPILE) --extra deploy --constraint requirements.lock --upgrade --output-file deploy/requirements.lock

notices: $(SETUP) ## Write the licences of all packages and a software bill of materials (CycloneDX) into dist/.
	@mkdir -p dist
	$(BIN)/pip-licenses --from mixed --format plain-vertical --with-urls --with-license-file --no-license-path --output-file dist/licences.txt
	$(BIN)/cyclonedx-py environment $(BIN)/python --pyproject pyproject.toml --output-reproducible --no-validate --output-file dist/sbom.json

wheel: $(SETUP) ## Build the wheel into dist/.
	$(BIN)/pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .

clean: ## Remove .venv, caches and dist (never .assess: your data).
	rm -rf .venv dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
