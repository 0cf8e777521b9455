# `make demo` shows the whole product on this machine; `make test` checks it. Both set themselves up in .venv; they need
# Python 3.11+ and pip, nothing else.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
UV := $(BIN)/uv pip --quiet
# uv and its hashes as a requirement of its own: older pips (23 and 24, say) take no hashes from a constraints file.
UV_PIN := sed -n '/^uv==/,/[^\\]$$/p' constraints.txt

# Without its bytecode torch takes 15 s to import, in every process anew.
unexport PYTHONDONTWRITEBYTECODE
# A virtual environment that is active outside, or paths of another project, are not ours.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME

.PHONY: demo test check lint types unit audit setup pins clean

demo: setup
	$(BIN)/inventory-match demo

test: check
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

check: lint types

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/bandit -q -c pyproject.toml -r inventory_match workers migrations

types: setup
	$(BIN)/mypy

unit: setup
	$(BIN)/python -m pytest -n 2 tests/unit

# Apart from `check`: it asks a server about every pin, one by one.
audit: setup
	@BIN=$(BIN) .ci/audit.sh

setup: .venv/.installed

# venv without ensurepip (Debian's python3 alone) is filled by the pip that is there.
.venv/.installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "inventory-match needs Python 3.11 or newer; set PYTHON=/path/to/python3"; exit 1; }
	@echo "Setting up .venv (the first time this downloads torch, a few GB) ..."
	@$(PYTHON) -m venv .venv 2>/dev/null && $(UV_PIN) | $(BIN)/python -m pip install --quiet --requirement /dev/stdin \
		|| { $(PYTHON) -m venv --clear --without-pip .venv \
			&& $(UV_PIN) | $(PYTHON) -m pip --python $(BIN)/python install --quiet --requirement /dev/stdin; }
	@$(UV) install --python $(BIN)/python --require-hashes --requirement constraints.txt
	@$(UV) install --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# Names, versions and hashes of everything, for every platform; run after a change of the dependencies.
pins: setup
	$(UV) compile --universal --generate-hashes --no-header --python-version 3.11 --all-extras pyproject.toml \
		--output-file constraints.txt

clean:
	rm -rf .venv .demo build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
