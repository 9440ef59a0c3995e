# Every target sets up what it needs: a virtual environment in .venv with the tested versions of constraints.txt.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo examples test test-all check lint types contracts format docs bench clean

$(READY): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the tested versions into $(VENV) …"
	@$(BIN)/python -m pip install -q -U -c constraints.txt "pip>=25.1" "setuptools>=77"
	@$(BIN)/python -m pip install -q -c constraints.txt torch
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install -q -c constraints.txt -e ".[pandas,polars,pyg,als,notebook,mcp,postgres,sqlalchemy,demo]" --group dev
	@touch $@

demo: $(READY)
	@$(BIN)/python examples/demo.py

examples: $(READY)
	@folder=$$(mktemp -d) && cd $$folder && for file in $(CURDIR)/examples/*.py; do \
	  case $$file in */demo.py) continue;; */nightly.py) echo; echo "== $$file --try"; $(CURDIR)/$(BIN)/python $$file --try || true;; \
	  *) echo; echo "== $$file"; $(CURDIR)/$(BIN)/python $$file || exit 1;; esac; done; echo; echo "what they wrote is in $$folder"

test: $(READY) check
	@$(BIN)/pytest -n 2 --dist loadfile -m "not slow"

test-all: $(READY) check
	@$(BIN)/pytest -n 2 --dist loadfile

check: lint types contracts

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

# The folders are installed as one namespace; static tools look at that installed form.
build/lint: $(READY) $(shell find pql engine backends grammars -name '*.py' -o -name 'py.typed')
	@rm -rf build/lint build/lib
	@$(BIN)/python -m pip install -q --no-deps --no-build-isolation --target build/lint .
	@touch build/lint

types: build/lint
	@cd build/lint && $(CURDIR)/$(BIN)/mypy --config-file $(CURDIR)/pyproject.toml -p pql

contracts: build/lint
	@cd build/lint && PYTHONPATH=. $(CURDIR)/$(BIN)/lint-imports --config $(CURDIR)/pyproject.toml

format: $(READY)
	@$(BIN)/ruff check --fix -q . ; $(BIN)/ruff format -q .

docs: $(READY)
	@$(BIN)/python docs/pictures.py
	@$(BIN)/python docs/build.py
	@$(BIN)/python tests/error_examples.py

bench: $(READY)
	@$(BIN)/python tests/bench/run.py

clean:
	@rm -rf build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
