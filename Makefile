# make demo       shows what otx does
# make test-fast  runs the tests that are not marked slow
# make test       runs all tests but those marked extra; with make lint, this is what .ci/run checks
# make test-all   runs every test, then draws the random tests' examples anew
# make bench      runs every benchmark that a CPU can run, and prints one table
# make fuzz       draws the random tests' examples anew, ten times as many
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
PYTEST = $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal

.PHONY: demo test test-fast test-all fuzz bench lint clean

$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable ".[dev]"
	touch $@

demo: $(VENV)/.installed
	PATH="$(CURDIR)/$(BIN):$$PATH" sh scripts/demo.sh

test-fast: $(VENV)/.installed
	$(PYTEST) --hypothesis-profile=fast -m "not slow and not extra"

test: $(VENV)/.installed
	$(PYTEST) -m "not extra" --durations 15

test-all: $(VENV)/.installed
	$(PYTEST) --durations 30
	$(MAKE) fuzz

fuzz: $(VENV)/.installed
	$(PYTEST) --hypothesis-profile=fuzz -m hypothesis --timeout 3600

bench: $(VENV)/.installed
	$(BIN)/python -m benchmarks

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy otx plugins

clean:
	rm -rf $(VENV) demo build dist
