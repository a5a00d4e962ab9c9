# Zeroshift. Every target makes .venv when it is missing or older than setup.cfg.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.zeroshift-installed
# One test process a core, whole modules at a time; `make test PARALLEL=` is one process.
PARALLEL ?= -n auto --dist loadfile

.PHONY: help install demo test test-slow hunt lint format bench clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:[^#]*## /\t/' | expand -t 14

$(STAMP): setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "zeroshift needs Python 3.11 or newer: set PYTHON=python3.11 (or later)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv \
	  || { rm -rf .venv; echo "python3 -m venv failed: install your system's venv package (Debian: python3-venv)" >&2; exit 1; }
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[local,dev]'
	@touch $@

install: $(STAMP) ## make .venv with everything in it

demo: $(STAMP) ## the rental pipeline end to end on a fresh local Redshift
	@$(BIN)/zeroshift demo

test: $(STAMP) ## the tests, without the slow ones (under ten minutes on 2 cores)
	@$(BIN)/python -m pytest $(PARALLEL) -m 'not slow'

test-slow: $(STAMP) ## the slow tests only
	@$(BIN)/python -m pytest $(PARALLEL) -m slow

hunt: $(STAMP) ## the fuzz tests with seeds of their own, and longer: ZEROSHIFT_FUZZ_COUNT=50000 make hunt
	@ZEROSHIFT_FUZZ_SEED=$${ZEROSHIFT_FUZZ_SEED:-random} ZEROSHIFT_FUZZ_COUNT=$${ZEROSHIFT_FUZZ_COUNT:-5000} \
	  $(BIN)/python -m pytest $(PARALLEL) --timeout 86400 tests/local/gateway/test_statement_fuzz.py \
	  tests/local/gateway/test_robustness.py tests/local/gateway/test_interleaved_clients.py \
	  tests/local/data_api/test_data_api_fuzz.py

lint: $(STAMP) ## ruff, mypy, sqlfluff (dialect redshift), cfn-lint, parliament
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/sqlfluff lint --processes 2 procedures
	@$(BIN)/python .ci/cfn_lint.py
	@$(BIN)/zeroshift lint --strict

format: $(STAMP) ## let ruff format the Python files
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(STAMP) ## the benchmarks; each prints one JSON object on its last line
	@for file in bench/*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

clean: ## remove what the other targets made (the local warehouse stays)
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
