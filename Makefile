# Everything a newcomer needs: `make nano` runs the main job, `make test` the tests. Both set themselves up.
#
#   PYTHON=python3.12   the interpreter that the virtual environment is made with
#   VENV=dir            where the environment lives
#   TORCH_BUILD=cpu     which torch to install: cpu, default (what the registry offers), or auto (see tools/install_torch.py)
#   ARGS="--seeds 3"    further arguments for `make nano` and `make bench`
#   PYTEST_ARGS="-k x"  further arguments for `make test`
#   JOBS=4              processes that `make test` runs tests in; by default one for each core

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)
VENV ?= .venv
TORCH_BUILD ?= auto
SUITE ?= nano
JOBS ?= logical

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
STAMP := $(VENV)/.installed
NATIVE := $(wildcard native/CMakeLists.txt native/cmake/* native/include/pentanet/*.h native/src/*/*.* native/src/*/*/*.*)
CXX_SOURCES = $(shell find native -name '*.h' -o -name '*.cpp')

.DEFAULT_GOAL := help
.PHONY: help nano test sanitize check format hooks docs bench clean distclean
.DELETE_ON_ERROR:

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

nano: $(STAMP)-package  ## install, then run the main job: the nano benchmark
	$(BIN)/pentanet bench nano $(ARGS)

test: $(STAMP)-test  ## install, then run the tests
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(PYTEST_ARGS)

sanitize: $(STAMP)-test  ## run the native tests: each compiler, sanitizers, simulated processors
	$(BIN)/python -m pytest tests/native/test_program.py tests/native/test_emulated.py $(PYTEST_ARGS)

check: $(STAMP)-lint  ## formatting, lint, strict types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/clang-format --dry-run --Werror $(CXX_SOURCES)
	$(BIN)/pre-commit validate-config

format: $(STAMP)-lint  ## rewrite the sources the way `make check` wants them
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(CXX_SOURCES)

hooks: $(STAMP)-lint  ## check each commit before it is made
	$(BIN)/pre-commit install

docs: $(STAMP)-docs  ## build the documentation into site/
	$(BIN)/mkdocs build --strict

bench: $(STAMP)-package  ## run a suite: make bench SUITE=nano ARGS="--seeds 3"
	$(BIN)/pentanet bench $(SUITE) $(ARGS)

clean:  ## remove caches and built files
	rm -rf build dist site .pytest_cache .ruff_cache .hypothesis
	find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean  ## clean, and remove the virtual environment
	rm -rf $(VENV)

# One stamp per thing installed, so that a second call installs nothing. Dependency groups need pip 25.1.

$(STAMP)-pip:
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer found: install one, or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet 'pip>=25.1,<27'
	@touch $@

$(STAMP)-package: pyproject.toml tools/install_torch.py $(NATIVE) | $(STAMP)-pip
	$(BIN)/python tools/install_torch.py --build $(TORCH_BUILD)
	$(PIP) install --quiet --editable .
	$(BIN)/python tools/install_torch.py --check
	@touch $@

$(STAMP)-docs $(STAMP)-lint $(STAMP)-test: $(STAMP)-%: $(STAMP)-package
	$(PIP) install --quiet --group $*
	@touch $@
