# make up | test | check | bench | lock: each a line or two, all of them also fine on a fresh machine.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PORT ?= 8000
ARGS ?=
ONLY ?=
PYTHON := .venv/bin/python
export PYTHONPATH := $(CURDIR)/platform:$(CURDIR)
LOCK := $(PYTHON) -m uv pip compile pyproject.toml --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-header --quiet

.PHONY: help up down test check check-format check-lint check-types check-imports check-database bench lock

help: ## what there is
	@grep -hE '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## /make \1\t/' | expand -t 14

up: .venv/installed-run ## start Parley with everything it needs (PORT=8000, ARGS="--no-demo --no-local-model --detach")
	@PARLEY_STOP_WITH_PARENT=1 exec $(PYTHON) manage.py up --port $(PORT) $(ARGS)

down: .venv/installed-run ## stop a Parley that was started with --detach
	@$(PYTHON) manage.py down $(ARGS)

test: .venv/installed-dev ## the whole test suite, with a throw-away PostgreSQL and Valkey (ARGS="-k name")
	@$(PYTHON) -m pytest -n 2 --dist loadgroup $(ARGS)

check: check-format check-lint check-types check-imports check-database ## formatting, lint, types, import contracts, migrations, deploy checks, row-level security

check-format: .venv/installed-dev
	$(PYTHON) -m ruff format --check .

check-lint: .venv/installed-dev
	$(PYTHON) -m ruff check .

check-types: .venv/installed-dev
	$(PYTHON) -m mypy

check-imports: .venv/installed-dev
	.venv/bin/lint-imports

check-database: .venv/installed-dev
	$(PYTHON) -m parley.embedded.throwaway .ci/check-database

bench: .venv/installed-dev ## the benchmarks, one JSON line per figure (ONLY=search,up)
	@$(PYTHON) -m benchmarks $(if $(ONLY),--only $(ONLY))

lock: .venv/installed-dev ## renew the hash-pinned locks
	$(LOCK) --upgrade --output-file requirements/run.txt
	$(LOCK) --upgrade --group dev --constraint requirements/run.txt --output-file requirements/dev.txt

# Installed once per lock: the stamp keeps a copy of the lock it was made from.
.venv/installed-%: requirements/%.txt .ci/make-venv
	@.ci/make-venv $* && touch $@
