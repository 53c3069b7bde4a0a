# Everything a developer types. PIP_FLAGS reaches every pip install, e.g. an index of CPU wheels.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP_FLAGS ?=
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check $(PIP_FLAGS) -c constraints.txt

.PHONY: demo test check bench serve format clean

$(VENV)/.torch: constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing PyTorch into $(VENV) (once)"
	$(PIP) torch
	@touch $@

$(VENV)/.demo: pyproject.toml $(VENV)/.torch
	@echo "installing winnow into $(VENV) (once)"
	$(PIP) -e ".[demo]"
	@touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/.torch
	@echo "installing winnow and its test tools into $(VENV) (once)"
	$(PIP) -e ".[dev]"
	@touch $@ $(VENV)/.demo

demo: $(VENV)/.demo  ## a real model writes, the gate throws out the wrong ones
	$(BIN)/winnow demo

test: $(VENV)/.dev  ## the whole suite
	$(BIN)/python -m pytest

check: $(VENV)/.dev  ## lint, format, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev  ## the figures of the README
	$(BIN)/python -m benchmarks.truth

serve: $(VENV)/.demo  ## the gateway on http://127.0.0.1:8000
	$(BIN)/winnow serve

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
