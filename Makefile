# Everything a newcomer needs is `make demo` and `make test`.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: demo test test-all test-python lint types contracts coverage docs web clean

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet "$$(grep '^torch==' constraints.txt)"
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[test,docs,cluster,cnn,pp,tui,viewer,mcp]"
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/spacetravlr demo

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 -m "not slow"

test-all: $(STAMP)
	$(BIN)/python -m pytest -n 2

# the fast tests and the types on another Python, in an environment of its own: make test-python PYTHON=python3.13
test-python:
	$(MAKE) test types VENV=.venv-$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')

lint: $(STAMP)
	$(BIN)/ruff check src tests benchmarks hatch_build.py
	$(BIN)/ruff format --check src tests benchmarks hatch_build.py

types: $(STAMP)
	$(BIN)/mypy

contracts: $(STAMP)
	$(BIN)/lint-imports

# the page of the viewer, and the same as one file for assistants, into the package; needs Node
web:
	cd web && npm ci --no-audit --no-fund && npm test && npm run build && npm run build:single

# every page, with its code run; a warning is an error
docs: $(STAMP)
	$(BIN)/sphinx-build -b html -W --keep-going -q docs docs/_build/html

coverage: $(STAMP)
	$(BIN)/python -m pytest -n 2 -m "not slow" --cov --cov-report=term --cov-report=html

clean:
	rm -rf $(VENV) .venv-3.* build dist htmlcov .coverage
