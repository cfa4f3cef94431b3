# The two commands of a fresh machine: `make demo` shows what otx does, `make test` proves it.
# `make fuzz` draws the random tests' examples anew, ten times as many.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
PYTEST = $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal

.PHONY: demo test fuzz lint clean

$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

demo: $(VENV)/.installed
	PATH="$(CURDIR)/$(BIN):$$PATH" sh scripts/demo.sh

test: $(VENV)/.installed
	$(PYTEST)

fuzz: $(VENV)/.installed
	$(PYTEST) --hypothesis-profile=fuzz -m hypothesis --timeout 3600

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy otx plugins

clean:
	rm -rf $(VENV) demo build dist
