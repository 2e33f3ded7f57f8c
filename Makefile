# Each target does its own set-up: a virtual environment and a pinned installation, again only when they are stale.
PYTHON ?= python3
VENV ?= .venv
CONFIG ?= seqgan/chat
ARGS ?=

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help train test lint types
.DEFAULT_GOAL := help

help:
	@echo "make train [CONFIG=seqgan/chat] [ARGS='--seed 3']   train a configuration from configs/"
	@echo "make test [ARGS='-k returns']                       run the tests"
	@echo "make lint                                           check the style (ruff)"
	@echo "make types                                          check the types (mypy)"

train: $(STAMP)
	@$(BIN)/lhy-rl train $(CONFIG) $(ARGS)

test: $(STAMP)
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist worksteal $(ARGS)

lint: $(STAMP)
	@$(BIN)/ruff check $(ARGS) .

types: $(STAMP)
	@$(BIN)/mypy $(ARGS)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "lhy_rl needs Python 3.11 or newer, and '$(PYTHON)' is not. Install one and name it: make PYTHON=python3.12 ..." >&2; \
	  exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@echo "Installing the pinned packages into $(VENV); this happens once and takes a few minutes."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
