# Everything that is run here. `make` alone lists the targets.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup book notebooks lint test slow bench results lock clean

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.stamp
UV := $(BIN)/uv
SOURCES ?= $(or $(REGIOMETRICS_SOURCES),../shared/realdata)

# One BLAS thread and a fixed hash seed: the same digits on every machine, and two workers do not fight for two cores.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export PYTHONHASHSEED := 0
# The data of this checkout and no other; the files that may not be shipped are for tests alone, so the pages are the same with and without them.
unexport REGIOMETRICS_DATA
# A worker or a kernel need not compile the library again.
unexport PYTHONDONTWRITEBYTECODE
export REGIOMETRICS_SOURCES := $(if $(wildcard $(SOURCES)/.),$(abspath $(SOURCES)))
book notebooks: export REGIOMETRICS_SOURCES :=

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: $(STAMP) ## Make the environment in .venv from requirements.lock (Python 3.11 or 3.12; PYTHON=... names another)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] not in {(3, 11), (3, 12)})' || \
	  { echo "Regiometrics needs Python 3.11 or 3.12, and '$(PYTHON)' is not one: run e.g. make $(or $(MAKECMDGOALS),setup) PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q uv==0.13.9
	$(UV) pip sync -q --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock
	$(UV) pip install -q --python $(BIN)/python --no-deps -e .
	@touch $@

book: $(STAMP) ## Execute what changed and build the book, warnings as errors: _build/html/index.html
	@$(BIN)/python book/make.py book

notebooks: $(STAMP) ## Make notebooks/*.ipynb, outputs included, from notebooks/*.md
	@$(BIN)/python book/make.py notebooks

lint: $(STAMP) ## Style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint book ## Style, types, the book, tests with doctests, and each notebook against its stored outputs
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --doctest-modules \
	  --nbval --nbval-current-env --nbval-sanitize-with tests/nbval.cfg --nbval-cell-timeout 600 lib tests notebooks

slow: $(STAMP) ## The tests that take minutes: Monte Carlo, rebuilds, sweeps, an edition
	$(BIN)/python -m pytest -q -n 2 -m slow tests

bench: $(STAMP) ## Time the estimators against their peers, and keep the ratios for the book
	$(BIN)/python -m pytest -q -o addopts=--import-mode=importlib --benchmark-only --store-timings tests/benchmarks

results: $(STAMP) ## Draw the stored simulations, and run the stored sweeps, again
	$(BIN)/python data/results/make_monte_carlo.py
	$(BIN)/python data/results/make_synthetic_size.py
	$(BIN)/python data/results/make_frontier_bias.py
	$(BIN)/python data/results/make_dynamic_panel_size.py
	$(BIN)/python data/results/make_specialization_size.py
	$(BIN)/python data/results/make_fitted_structure.py
	$(BIN)/python data/results/make_sweeps.py

lock: $(STAMP) ## Bring requirements.lock in step with pyproject.toml
	$(UV) pip compile -q --universal --generate-hashes --no-header --no-annotate --all-extras --group dev pyproject.toml -o requirements.lock

clean: ## Remove everything built; .venv stays
	rm -rf _build .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
