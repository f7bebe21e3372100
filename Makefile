# Everything happens in .venv, which is made when it is first needed.
# The first of these that is Python 3.11 or newer; or choose: make test PYTHON=python3.12
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11 python; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
CONSTRAINTS ?= constraints.txt
VENV := .venv
BIN := $(VENV)/bin
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS)
OUTPUT ?= demo-output

.PHONY: help demo install test test-slow lint types bench notebooks docs docs-links clean

help:
	@echo "make demo       install, predict brain maps of photographs with a simulated subject, decode what it saw"
	@echo "make test       quick tests; make test-slow: the others"
	@echo "make lint       ruff; make types: mypy"
	@echo "make bench      speed and memory of encoding, judging and training, with this machine's own limits"
	@echo "make notebooks  notebooks/*.ipynb from the tutorials' text, docs/tutorials/*.md"
	@echo "make docs       the documentation site, docs/_build/html, tutorials run; QUICK=1 leaves those as text"
	@echo "make docs-links also asks other hosts whether addresses on its pages answer (needs a network)"
	@echo "make clean      remove what was built, and the virtual environment"

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# the demo and the explorer page; what is installed for development includes what they need
$(VENV)/.installed-demo: $(BIN)/python pyproject.toml $(CONSTRAINTS)
	@test $(VENV)/.installed-dev -nt pyproject.toml || { \
		echo "installing what the demo and the explorer need into $(VENV): about 2 GB, some minutes"; $(INSTALL) -e '.[app]'; }
	@touch $@

$(VENV)/.installed-dev: $(BIN)/python pyproject.toml $(CONSTRAINTS)
	@echo "installing all extras and what tests need into $(VENV): about 3 GB, some minutes"
	$(INSTALL) -e '.[dev]'
	@touch $@

install: $(VENV)/.installed-dev

demo: $(VENV)/.installed-demo
	$(BIN)/braincodec demo --output $(OUTPUT)

# a worker a core, each with one thread: workers with several wait for each other
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest

test: $(VENV)/.installed-dev
	$(PYTEST) -n auto --dist worksteal

test-slow: $(VENV)/.installed-dev
	$(PYTEST) -m slow -n auto --dist loadfile

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

bench: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/encode.py
	$(BIN)/python benchmarks/judge.py
	$(BIN)/python benchmarks/ridge.py
	$(BIN)/python benchmarks/reduction.py
	$(BIN)/python benchmarks/lea.py
	$(BIN)/python benchmarks/synthesize.py
	$(BIN)/python benchmarks/synthesize_reading.py

notebooks: $(VENV)/.installed-dev
	$(BIN)/python docs/pair_notebooks.py

# warnings are errors; pages of the reference are made anew, so that names that are gone leave none behind
SPHINX = rm -rf docs/api/generated && $(BIN)/sphinx-build --fail-on-warning --keep-going $(if $(QUICK),-D nb_execution_mode=off)

docs: $(VENV)/.installed-dev
	$(SPHINX) docs docs/_build/html
	@echo "open docs/_build/html/index.html"

docs-links: $(VENV)/.installed-dev
	$(SPHINX) -b linkcheck -D nb_execution_mode=off docs docs/_build/links

clean:
	rm -rf $(VENV) build dist demo-output docs/_build docs/api/generated .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
