# Every target builds .venv for itself and needs nothing but Python 3.11 (or newer) and make.
# PYTHON=/path/to/python3.12 make test   picks the interpreter that .venv is made from.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV ?= .venv
BIN := $(VENV)/bin
JOBS ?= 2
MINUTES ?= 10
STREAM_MINUTES ?= 30
SUPPORTED := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))

ifndef PYTHON
PYTHON := $(firstword $(foreach p,python3 python3.14 python3.13 python3.12 python3.11,\
	$(if $(shell $(p) -c '$(SUPPORTED)' 2>/dev/null && echo yes),$(p))))
endif

.PHONY: help demo test check fix bench soak mutants clean

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

demo: $(VENV)/.demo  ## run the story on real data, from definitions to online reads
	$(BIN)/headrace demo

test: $(VENV)/.dev  ## every test, and the examples in docstrings and docs
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup

check: $(VENV)/.dev  ## style, types, floors, docs
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy --strict src
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m pytest -q tests/test_docs.py

fix: $(VENV)/.dev  ## let ruff mend what it can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/.dev  ## rivals and Headrace in one run; writes bench/results.md
	$(BIN)/python -m bench

soak: $(VENV)/.dev  ## the drawn cases, a hundred times as many, then MINUTES of mixed load on a server, and STREAM_MINUTES on one that ingests
	HEADRACE_SOAK=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadgroup -m soak
	$(BIN)/python -m tests.soak --minutes $(MINUTES)
	$(BIN)/python -m tests.soak.streaming --minutes $(STREAM_MINUTES)

mutants: $(VENV)/.dev  ## plant faults; the tests must catch each
	$(BIN)/python scripts/mutants.py

clean:  ## remove .venv and everything the tools left
	rm -rf $(VENV) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is newer than pyproject.toml once the installation it names is complete.
$(VENV)/.python:
	@test -n "$(PYTHON)" || { echo "Headrace needs Python 3.11 or newer with venv; say make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c '$(SUPPORTED)' || { echo "$(PYTHON) is not Python 3.11 or newer with venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.demo: pyproject.toml | $(VENV)/.python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/.python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@ $(VENV)/.demo
