# Two commands matter: `make demo` and `make test`. Both install what they need into .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
UV_VERSION := 0.13.8
# Compiled modules are kept, whatever the environment says: torch takes seconds to compile, in each process that imports it.
unexport PYTHONDONTWRITEBYTECODE
SUDO := $(shell [ "$$(id -u)" = 0 ] || command -v sudo)

.PHONY: help install demo test lint types contracts unit faults papers bench clean compiler postgres constraints

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(STAMP) ## install the engine and its tools into .venv

# hnswlib is published as source only: building it needs a C++ compiler and Python's headers.
compiler:
	@if ! command -v c++ >/dev/null || ! $(PYTHON) -c 'import os, sysconfig; raise SystemExit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))'; then \
	  command -v apt-get >/dev/null || { echo "error: install a C++ compiler and Python's headers (to build hnswlib), then run make again" >&2; exit 1; }; \
	  if [ "$$(id -u)" != 0 ] && [ -z "$(SUDO)" ]; then echo "error: run 'apt-get install g++ python3-dev' as root, then run make again" >&2; exit 1; fi; \
	  $(SUDO) apt-get update -q && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends g++ python3-dev; \
	fi

$(STAMP): pyproject.toml constraints.txt | compiler
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check uv==$(UV_VERSION)
	index="$$($(BIN)/python -m pip config get global.index-url 2>/dev/null)"; \
	  env $${index:+UV_DEFAULT_INDEX="$$index"} $(BIN)/uv pip install -q --python $(BIN)/python -c constraints.txt -b constraints.txt --group dev -e .
	touch $(STAMP)

demo: $(STAMP) ## generate a world, load it into Neo4j, train, answer, write a report
	$(BIN)/engine demo

test: lint types contracts unit ## everything that must be green

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

contracts: $(STAMP)
	$(BIN)/lint-imports

# The registry's tests run on SQLite and on a real Postgres; without one they say loudly what they leave out.
postgres:
	@if ! command -v postgres >/dev/null && ! ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1; then \
	  if ! command -v apt-get >/dev/null || { [ "$$(id -u)" != 0 ] && [ -z "$(SUDO)" ]; }; then echo "warning: no Postgres server here and no way to install one" >&2; exit 0; fi; \
	  $(SUDO) apt-get update -q && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends postgresql; \
	fi

# Two processes, each with a Neo4j and a Postgres of its own; a file's tests stay together, for they share what is trained.
unit: $(STAMP) | postgres
	$(BIN)/pytest -m "not slow" -n 2 --dist loadfile --no-loadscope-reorder

faults: $(STAMP) ## the long suite: kill refreshes at every step and at random moments, and what else takes long
	$(BIN)/pytest -m slow

DATA ?= data
papers: $(STAMP) ## the long tables beside published ones, of the data sets converted to DATA=data
	$(BIN)/python -m tests.papers $(DATA)

bench: $(STAMP) ## run every benchmark beside its peer and print ratios
	$(BIN)/python -m tests.benchmarks

constraints: ## resolve the newest versions again into constraints.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url --group dev --extra postgres pyproject.toml -o constraints.txt

clean: ## remove what make made; the engine's own data in ENGINE_HOME stays
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
