# Everything here sets up what it needs: a fresh machine with git, make, Python >= 3.11 and a package index is enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
UV_TOOL := $(VENV)/bin/uv
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PULUMI_SKIP_UPDATE_CHECK := true

.DEFAULT_GOAL := setup
.PHONY: help setup demo test test-aws test-aws-account test-image test-matrix golden check bench lint format lock build clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1|/' | column -t -s '|'

setup: $(READY) ## make .venv with seedbed and its tools, from the hashed lock

$(READY): requirements/dev.txt requirements/uv.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11) and "seedbed needs Python 3.11 or newer: make PYTHON=python3.12")'
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements/uv.txt
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(UV_TOOL) pip sync --quiet --require-hashes requirements/dev.txt
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(UV_TOOL) pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

demo: setup ## the main job on real data, from `new` to `down`; KEEP=1 leaves it running
	@PATH="$(CURDIR)/$(BIN):$$PATH" seedbed tour --into build/demo $(if $(KEEP),--keep)

test: setup ## the whole test suite (MATRIX=each: with fewer installed combinations, as CI does)
	@PATH="$(CURDIR)/$(BIN):$$PATH" seedbed doctor --fix > /dev/null
	@PATH="$(CURDIR)/$(BIN):$$PATH" python -m tests.programs
	@PATH="$(CURDIR)/$(BIN):$$PATH" python -m pytest $(or $(ARGS),-n 2 --matrix $(or $(MATRIX),covering))

test-image: setup ## build a generated project's images, and ask the container (ten minutes; skipped with its reason without an engine)
	@PATH="$(CURDIR)/$(BIN):$$PATH" SEEDBED_TEST_IMAGES=1 python -m pytest -rs tests/e2e/test_image.py $(ARGS)

test-aws: setup ## the AWS target against the real provider and moto (needs terraform; builds the provider once, five minutes of CPU)
	@PATH="$(CURDIR)/$(BIN):$$PATH" python -m tests.aws.provider > /dev/null
	@PATH="$(CURDIR)/$(BIN):$$PATH" SEEDBED_TEST_AWS=1 python -m pytest -rs tests/aws $(or $(ARGS),-n 2)

test-aws-account: setup ## an environment in a real AWS account, from `new` to `down` (cents; SEEDBED_TEST_AWS_ACCOUNT and _REGION say which)
	@PATH="$(CURDIR)/$(BIN):$$PATH" python -m pytest -rs tests/e2e/test_aws_account.py -m aws_account $(ARGS)

test-matrix: setup ## install and test every combination of choices (hours; MATRIX=covering: as `make test`), and write docs/combinations.md
	@PATH="$(CURDIR)/$(BIN):$$PATH" python -m pytest -n 2 tests/matrix --matrix $(or $(MATRIX),full) --matrix-table docs/combinations.md $(ARGS)

golden: setup ## accept the present generated trees as the expected ones
	@UPDATE_GOLDEN=1 $(BIN)/python -m pytest -q tests/unit/test_golden.py

check: lint test ## lint and test

lint: setup ## ruff and mypy over everything of our own
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@cd infra && ../$(BIN)/mypy --cache-dir ../.mypy_cache/infra mlops_platform __main__.py

format: setup ## let ruff put the code in order
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format --quiet .

bench: setup ## measure against what users would pick instead, as ratios
	@PATH="$(CURDIR)/$(BIN):$$PATH" python benchmarks/run.py

lock: setup ## resolve all dependencies anew: our own, and those of generated projects
	@$(BIN)/python requirements/lock.py

build: setup ## the wheel and the sdist, in dist/
	@$(BIN)/python -m hatchling build

clean: ## remove what make made
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
