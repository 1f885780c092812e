# Everything a fresh machine needs: `make demo` and `make test`.
# uv is used where there is one; otherwise python3 -m venv and pip. `make demo UV=` forces the second way.

PYTHON ?= python3
VENV ?= .venv
UV ?= $(shell command -v uv 2>/dev/null)
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DIST ?= dist

.PHONY: demo test test-all test-lowest bench lint types check lock wheel clean help

help:
	@echo "make demo      set up .venv, then run the main job on the embedded default"
	@echo "make test      set up .venv, then run the tests"
	@echo "make test-all  the tests, with the exhaustive ones"
	@echo "make test-lowest  the tests on the oldest dependencies that pyproject.toml allows (needs uv)"
	@echo "make check     lint, types, tests: what must be green before a commit"
	@echo "make bench     benchmarks; results go to docs/benchmarks/"
	@echo "make lock      make requirements.lock anew (needs uv)"

$(STAMP): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; say which with: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
ifneq ($(UV),)
	"$(UV)" venv --quiet --allow-existing --python "$$(command -v $(PYTHON))" $(VENV)
	"$(UV)" pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock
	"$(UV)" pip install --quiet --python $(BIN)/python --no-deps -e .
else
	$(PYTHON) -m venv $(VENV) || { echo "On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
endif
	@touch $(STAMP)

demo: $(STAMP)
	$(BIN)/wi demo $(DEMO)

test: $(STAMP)
	$(BIN)/python -m pytest -q -m "not slow" -n auto

test-all: $(STAMP)
	HYPOTHESIS_PROFILE=explore $(BIN)/python -m pytest -q -n auto

# The lower bounds that pyproject.toml promises, tried (needs uv).
test-lowest:
	uv venv --quiet --allow-existing --python "$$(command -v $(PYTHON))" .lowest-venv
	uv pip install --quiet --python .lowest-venv/bin/python --resolution lowest-direct -r pyproject.toml --group dev
	PYTHONPATH=. .lowest-venv/bin/python -m pytest -q -m "not slow" -n auto -p no:cacheprovider

bench: $(STAMP)
	$(BIN)/python -m benchmarks

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

check: lint types test

# No address of any package index goes into the lock: pins and hashes only.
lock:
	uv export --quiet --all-groups --no-emit-project --no-annotate --no-header --output-file requirements.lock
	rm -f uv.lock

wheel: $(STAMP)
ifneq ($(UV),)
	"$(UV)" build --quiet --wheel --out-dir $(DIST)
else
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir $(DIST) .
endif

clean:
	rm -rf $(VENV) .ci-venv .lowest-venv dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
