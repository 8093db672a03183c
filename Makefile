# Everything runs from .venv, which `make setup` builds from requirements.lock; every other target sets it up first.
# `make help` lists the targets: a target's comment is what it prints.

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
COMPILE := .venv/lock/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --fork-strategy fewest --no-strip-extras \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet

.PHONY: help setup demo test crash check format up bench docs lock wheel clean

help: ## List the targets.
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  \1\t/' | expand -t 12

setup: $(SETUP) ## Make .venv with the locked packages (Python 3.11 or 3.12; PYTHON=... picks one).

$(SETUP): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or 3.12 is needed: install one, or name it: make setup PYTHON=/path/to/python3.12" >&2; exit 1; }
	$(PYTHON) -m venv --clear .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(SETUP) ## Run the whole loop on sample events and show that no answer changes.
	$(BIN)/assess demo

test: $(SETUP) ## Run the tests (three at a time: on two cores a third of their time is waiting for servers).
	$(BIN)/pytest -n 3

crash: $(SETUP) ## Kill processes of the product in N seeded runs (N=100; SEED=1, STORES=embedded or cassandra).
	nice -n 10 $(BIN)/python -m tests.crash --seed $(SEED) --seeds $(N) --stores $(STORES)

check: $(SETUP) ## Lint, check the formatting and check the types.
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/ruff format --check $(CHECKED)
	$(BIN)/mypy

format: $(SETUP) ## Format the code and mend what the linter can mend.
	$(BIN)/ruff check --fix $(CHECKED)
	$(BIN)/ruff format $(CHECKED)

up: $(SETUP) ## Run stream, Dagster and API together; Ctrl-C stops them.
	$(BIN)/assess up

bench: $(SETUP) ## Print what we reach beside what is possible.
	$(BIN)/python -m benchmarks

docs: $(SETUP) ## Check the docs: links, commands, and a line for every setting, command and error.
	$(BIN)/pytest tests/test_docs.py

lock: $(SETUP) ## Resolve the locks again; pins stay unless pyproject.toml asks otherwise (UPGRADE=1: newest).
	$(PYTHON) -m venv .venv/lock
	.venv/lock/bin/pip install --quiet --disable-pip-version-check $(UV)
	$(COMPILE) --extra dev $(if $(UPGRADE),--upgrade) --output-file requirements.lock
	$(COMPILE) --extra deploy --constraint requirements.lock --upgrade --output-file deploy/requirements.lock

wheel: $(SETUP) ## Build the wheel into dist/.
	$(BIN)/pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .

clean: ## Remove what the targets made: .venv, caches, dist (never .assess, your data).
	rm -rf .venv dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
