# The project's commands. `make` without arguments lists them.

PYTHON ?= python3
VENV   := .venv
STAMP  := $(VENV)/.installed
BENCH  := $(VENV)/.bench
TESTS  := foss_platform_tests/unit foss_platform_tests/pipeline foss_platform_tests/faults

# Without bytecode every run compiles hundreds of modules again, so a machine's setting not to write it is ignored.
unexport PYTHONDONTWRITEBYTECODE
# Another active environment must not affect this one.
unexport VIRTUAL_ENV PYTHONHOME PYTHONPATH

.DEFAULT_GOAL := help
.PHONY: help install demo dev test services test-services faults check format bench lock clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

install: $(STAMP) ## Create .venv from the lock files (PYTHON=python3.12 chooses its interpreter)
	@:

demo: $(STAMP) ## Run the whole lakehouse once, from feed to report
	@$(VENV)/bin/foss demo

dev: $(STAMP) ## Serve the platform's web pages (FEED=recorded chooses the feed)
	@$(VENV)/bin/foss dev $(if $(FEED),--feed $(FEED))

test: $(STAMP) ## Run the tests (ARGS="-k lock" is passed to pytest)
	@$(VENV)/bin/python -m pytest -q -n auto --maxprocesses 2 --durations 5 $(ARGS) $(TESTS)

services: $(STAMP) ## Fetch the servers for test-services, once (FOSS_SERVICES_CACHE=folder stores them there)
	@$(VENV)/bin/python -m foss_platform_tests.services.servers.fetch

test-services: services ## Run the tests on real Postgres, MinIO, REST catalog and Trino (ARGS as for test)
	@$(VENV)/bin/python -m pytest -q -n 2 --dist loadfile --durations 5 $(ARGS) foss_platform_tests/services

faults: $(STAMP) ## Run the full fault injection, half an hour or more (results: docs/RELIABILITY.md)
	@$(VENV)/bin/python -m pytest -q -n 2 --dist worksteal --faults full -o faulthandler_timeout=7200 \
		--durations 5 $(ARGS) foss_platform_tests/faults

check: $(STAMP) ## Check format, lint, types and the levels of imports
	@$(VENV)/bin/ruff format --check --quiet || { echo 'Run make format to format the files above.'; exit 1; }
	@$(VENV)/bin/ruff check --quiet
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports --no-cache >$(VENV)/imports.log || { cat $(VENV)/imports.log; exit 1; }

format: $(STAMP) ## Format the code and fix lint errors that can be fixed automatically
	@$(VENV)/bin/ruff format
	@$(VENV)/bin/ruff check --fix

bench: $(BENCH) ## Run the benchmarks (adds dlt to .venv for a comparison)
	@$(VENV)/bin/python -m foss_platform_tests.benchmarks $(ARGS)

lock: ## Resolve pyproject.toml into requirements/ (UPGRADE=1 upgrades to newer versions)
	@PYTHON='$(PYTHON)' sh requirements/install.sh tools
	@sh requirements/lock.sh $(if $(UPGRADE),--upgrade)

clean: ## Remove .venv and caches, but keep the lake in .foss
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info
	@rm -rf dbt_project/target dbt_project/logs dbt_project/dbt_packages
	@find . -path ./.foss -prune -o -path ./.git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): requirements/bootstrap.txt requirements/dev.txt pyproject.toml
	@PYTHON='$(PYTHON)' sh requirements/install.sh all

$(BENCH): $(STAMP) requirements/bench.txt
	@PYTHON='$(PYTHON)' sh requirements/install.sh bench
