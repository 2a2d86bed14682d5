# Every target sets up what it needs: `make run` on a fresh machine is enough.
#   make PYTHON=python3.12 run    another interpreter, 3.11 or later
PYTHON ?= python3
UV ?= uv
JOBS ?= 2

VENV := .venv
RUN := $(VENV)/bin/python
BASE := $(VENV)/.base
OURS := $(VENV)/.ours
FULL := $(VENV)/.full
TORCH := $(VENV)/.torch
READY := $(OURS) $(FULL)
PIP := $(RUN) -m pip install --quiet --disable-pip-version-check
TOO_OLD := "Headway needs Python 3.11 or later, this is " + sys.version.split()[0] + ": try make PYTHON=python3.12"

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup run board test lint pytest docs refresh bench lock clean

help:
	@echo 'make run      set up .venv and show the demonstration'
	@echo 'make board    open the local page'
	@echo 'make test     lint, documentation build, all tests'
	@echo 'make lint     ruff, mypy, the floors of the house'
	@echo 'make docs     build the documentation into docs/_build/html'
	@echo 'make refresh  rerun the commands that the documentation shows'
	@echo 'make bench    run every benchmark'
	@echo 'make lock     compute both locks anew (needs uv)'
	@echo 'make clean    remove everything that was made'

# A new lock makes a new environment, so that nothing unlisted stays behind. The demonstration needs the small base
# alone; the rest, ten times as large, arrives with the first target that needs it.
$(BASE): requirements-base.lock requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit($(TOO_OLD) if sys.version_info < (3, 11) else 0)'
	@echo 'Setting up $(VENV) (once)'
	@$(PYTHON) -m venv --clear $(VENV)
	@$(PIP) --require-hashes -r requirements-base.lock
	@touch $@

$(OURS): $(BASE) pyproject.toml
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(FULL): $(BASE) | $(OURS)
	@echo 'Adding every extra and the tools of the tests (once, about a minute)'
	@$(PIP) --require-hashes -r requirements.lock
	@touch $@

# Only the tests need torch; its build depends on the machine, so it stands outside the lock.
$(TORCH): $(READY) requirements-torch.txt
	@echo 'Installing torch for the tests of the reversible room (once)'
	@$(PIP) -r requirements-torch.txt
	@touch $@

setup: $(READY)

run: $(OURS)
	@$(VENV)/bin/headway demo

board: $(READY)
	@$(VENV)/bin/headway board

test: lint docs
	@$(MAKE) --no-print-directory pytest

lint: $(READY)
	$(RUN) -m ruff check
	$(RUN) -m ruff format --check
	$(RUN) -m mypy
	$(VENV)/bin/lint-imports --no-logo
	@if command -v npm >/dev/null; then \
		[ -x node_modules/.bin/tsc ] || npm ci --silent --no-audit --no-fund; npm run --silent types; \
	else echo 'npm is not installed: the types of the page are not checked'; fi

pytest: $(READY) $(TORCH)
	$(RUN) -m pytest -n $(JOBS)

# Built whole each time: an unchanged page would not repeat its warnings.
docs: $(READY)
	@rm -rf docs/generated
	$(RUN) -m sphinx -q -n -W -E -b html docs docs/_build/html

refresh: $(READY)
	$(RUN) docs/refresh.py

bench: $(READY)
	@for bench in benchmarks/bench_*.py; do \
		if [ -e "$$bench" ]; then $(RUN) "$$bench" || exit 1; else echo 'no benchmarks'; fi; \
	done

# Every extra but torch, whose build depends on the machine: see TORCH above.
EXTRAS := calibrate simulation pricing prices-refresh scaling economy postgres agents ray

# The flags leave the addresses of package indexes out of the files.
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
  --no-emit-index-url --no-emit-find-links --no-header --no-annotate

lock:
	@{ echo '# Every package of the working environment, pinned with hashes for CPython 3.11 to 3.13.'; \
	   echo '# Made by `make lock` from pyproject.toml; do not edit by hand.'; \
	   $(COMPILE) --group dev $(EXTRAS:%=--extra %) pyproject.toml; \
	} > requirements.lock
	@{ echo '# What `make run` needs of requirements.lock: the base install and what builds it.'; \
	   echo '# Made by `make lock` from pyproject.toml; do not edit by hand.'; \
	   $(COMPILE) --group build --constraint requirements.lock pyproject.toml; \
	} > requirements-base.lock

clean:
	rm -rf $(VENV) node_modules build dist out docs/_build docs/generated .pytest_cache .ruff_cache .mypy_cache .hypothesis .import_linter_cache
	find src tests docs benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
