# Needs only make and Python 3.11 or newer; everything else comes through pip.
# Each target installs what it needs once, and again only when pyproject.toml or constraints.txt changed.

PYTHON ?= python3
VENV ?= .venv

BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
DEMO_READY := $(VENV)/.ready-demo
DEV_READY := $(VENV)/.ready-dev
PINS := pyproject.toml constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test lint docs bench chaos load clean

help:
	@echo "make demo    run a governed agent from prompt to audit log (installs into $(VENV))"
	@echo "make test    lint, types, floors, docs and the whole test suite"
	@echo "make lint    ruff, mypy and the import floors"
	@echo "make docs    build the documentation into site/"
	@echo "make bench   measure the overhead on this machine"
	@echo "make chaos   kill governed processes at random moments, and check what is left (CHAOS_KILLS, CHAOS_SEED)"
	@echo "make load    64 workers, 10,000 effects on one PostgreSQL (AISECOPS_TEST_POSTGRES_URL, LOAD_EFFECTS)"
	@echo "make clean   remove what these targets built; audit logs stay"

demo: $(DEMO_READY)
	@echo "== demo"
	$(BIN)/aisecops demo

test: lint docs
	@echo "== tests"
	$(BIN)/python -m pytest -n auto

lint: $(DEV_READY)
	@echo "== lint"
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@echo "== types"
	$(BIN)/mypy
	@echo "== floors"
	$(BIN)/lint-imports

docs: $(DEV_READY)
	@echo "== documentation"
	$(BIN)/mkdocs build --strict --quiet

bench: $(DEV_READY)
	@echo "== benchmarks (ratios count; absolute times are this machine's)"
	$(BIN)/python -m pytest tests/benchmarks -o addopts="" --strict-markers --strict-config -p no:cacheprovider \
		-p no:randomly --no-header -q -s

chaos: $(DEV_READY)
	@echo "== chaos"
	PYTHONPATH=. $(BIN)/python tests/chaos/chaos.py
	CHAOS=long PYTHONPATH=. $(BIN)/python -m pytest -q tests/adapters/test_adapters_machine.py tests/runtime/test_runtime_machine.py

load: $(DEV_READY)
	@echo "== load"
	PYTHONPATH=. $(BIN)/python tests/chaos/load.py

clean:
	@echo "== clean"
	rm -rf $(VENV) site dist build .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find aisecops_langchain tests examples -type d -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/python:
	@echo "== virtual environment in $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; set PYTHON=...")'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(DEMO_READY): $(PINS) | $(BIN)/python
	@echo "== installing the package with what the demo needs"
	$(PIP_INSTALL) -e '.[demo]'
	@touch $@

$(DEV_READY): $(PINS) | $(BIN)/python
	@echo "== installing the package with what development needs (a few minutes the first time)"
	$(PIP_INSTALL) -e '.[dev]'
	@touch $@ $(DEMO_READY)
