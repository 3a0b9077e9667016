# Everything installs itself: a Python from 3.10 on, with venv, is all a machine needs.
PYTHON ?= python3
OLDEST_PYTHON ?= $(shell python3.10 -c '' 2>/dev/null && echo python3.10 || echo $(PYTHON))
ROWS ?= 100000
ROUNDS ?= 20
EXAMPLES ?= 1000
SECONDS ?= 60
MINUTES ?= 10

# A process for each core. The tests of a file stay together: they share what is expensive to make.
SIDE_BY_SIDE := --numprocesses auto --maxprocesses 8 --dist loadfile

LAKE_BEHAVIOUR := $(addprefix tests/,query storage ingest schema database migrate cli sandbox)

VENV := .venv
OLDEST := .venv-oldest
LAKE := .venv-lake

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 20

$(VENV)/ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --upgrade pip
	$(VENV)/bin/pip install --quiet --editable '.[dev]'
	touch $@

$(VENV)/bench-ready: $(VENV)/ready
	$(VENV)/bin/pip install --quiet --editable '.[dev,bench]'
	touch $@

$(VENV)/docs-ready: $(VENV)/ready
	$(VENV)/bin/pip install --quiet --editable '.[dev,docs]'
	touch $@

$(OLDEST)/ready: pyproject.toml tests/oldest.txt
	$(OLDEST_PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/pip install --quiet --upgrade pip
	$(OLDEST)/bin/pip install --quiet --constraint tests/oldest.txt --editable '.[test,encryption]'
	touch $@

$(LAKE)/ready: pyproject.toml
	$(PYTHON) -m venv $(LAKE)
	$(LAKE)/bin/pip install --quiet --upgrade pip
	$(LAKE)/bin/pip install --quiet --editable '.[test,lake,remote]'
	$(LAKE)/bin/pip install --quiet 'moto[server]' "$$($(LAKE)/bin/pip freeze | sed -n 's/^botocore==/boto3==/p')"
	touch $@

.PHONY: fuzz
fuzz: $(VENV)/ready ## Fuzz export files; EXAMPLES and SECONDS for longer
	EXAMPLES=$(EXAMPLES) $(VENV)/bin/python -m pytest -q tests/fuzz
	if $(VENV)/bin/python -c 'import atheris' 2>/dev/null; then \
		$(VENV)/bin/python -m tests.fuzz.harness -max_total_time=$(SECONDS) "$$(mktemp -d)" tests/fuzz/corpus; \
	else echo "atheris is not installed: hypothesis only"; fi

.PHONY: siege
siege: $(VENV)/ready ## Attack the sandbox with SQL that nobody has read; SECONDS for longer
	$(VENV)/bin/python -m tests.siege --seconds $(SECONDS)

.PHONY: soak
soak: $(VENV)/ready ## Mixed work on one file that must not grow; MINUTES for longer
	$(VENV)/bin/python -m tests.soak --minutes $(MINUTES)

.PHONY: demo
demo: $(VENV)/ready ## Load and query an export in Mixpanel's format
	$(VENV)/bin/python examples/demo.py

.PHONY: test
test: $(VENV)/ready ## Run all tests with branch coverage
	$(VENV)/bin/python -m pytest $(SIDE_BY_SIDE) --cov --cov-report=term-missing $(NEWEST_ONLY) $(ARGS)

.PHONY: test-fast
test-fast: $(VENV)/ready ## Run what takes a minute: no child processes, no files where memory does, no property tests
	$(VENV)/bin/python -m pytest -q $(SIDE_BY_SIDE) -m 'not processes and not slow and not hypothesis' $(ARGS)

.PHONY: test-long
test-long: $(VENV)/ready ## Run the property tests with more examples; EXAMPLES for how many
	EXAMPLES=$(EXAMPLES) $(VENV)/bin/python -m pytest -q $(SIDE_BY_SIDE) -m hypothesis $(ARGS)

.PHONY: test-oldest
test-oldest: $(OLDEST)/ready ## Run all tests on the oldest supported dependencies
	$(OLDEST)/bin/python -m pytest $(SIDE_BY_SIDE) $(OLDEST_ONLY) $(ARGS)

.PHONY: test-dialect
test-dialect: $(VENV)/ready ## Run SQLAlchemy's own suite for dialects
	$(VENV)/bin/python -m pytest -q -c tests/sqlalchemy_suite/setup.cfg tests/sqlalchemy_suite $(ARGS)

.PHONY: test-dialect-oldest
test-dialect-oldest: $(OLDEST)/ready ## The same on the oldest supported dependencies
	$(OLDEST)/bin/python -m pytest -q -c tests/sqlalchemy_suite/setup.cfg tests/sqlalchemy_suite $(ARGS)

.PHONY: test-sqlalchemy
test-sqlalchemy: $(VENV)/ready ## Run SQLAlchemy's and Alembic's own tests; ARGS=engine for one folder
	$(VENV)/bin/python -m tests.upstream $(ARGS)

.PHONY: test-faults
test-faults: $(VENV)/ready ## Kill, fill and break things; ROUNDS=200 for the long run
	$(VENV)/bin/python -m pytest tests/faults --rounds $(ROUNDS) $(ARGS)

.PHONY: test-lake
test-lake: $(LAKE)/ready ## Run the tests of lakes, with a PostgreSQL and an S3 of their own
	$(LAKE)/bin/python -m tests.lake $(ARGS)

.PHONY: test-lake-behaviour
test-lake-behaviour: $(LAKE)/ready ## Run the tests for every kind of database over a lake; takes long
	$(LAKE)/bin/python -m tests.lake $(LAKE_BEHAVIOUR) $(ARGS)

.PHONY: lint
lint: $(VENV)/ready ## Check style and types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

.PHONY: check
check: test test-oldest lint docs test-faults test-dialect test-dialect-oldest demo ## Everything that must stay green

.PHONY: bench
bench: $(VENV)/bench-ready ## Compare with others; ROWS=1000000 for the long run
	$(VENV)/bin/python -m benchmarks --rows $(ROWS) $(ARGS)

.PHONY: bench-lake
bench-lake: $(LAKE)/ready ## Compare lakes with files; ROWS=1000000 for the long run
	$(LAKE)/bin/python -m tests.lake.beside_postgres \
		$(LAKE)/bin/python -m benchmarks --only lake --rows $(ROWS) $(ARGS)

.PHONY: docs
docs: $(VENV)/docs-ready ## Build the site of the documentation into site/; warnings are errors
	$(VENV)/bin/zensical build --clean --strict
	$(VENV)/bin/python -m tests.docs_site.check site

.PHONY: picture
picture: $(VENV)/ready ## Draw the README's terminal anew, after the command has changed
	$(VENV)/bin/python -m tests.docs_site.terminal docs/terminal.svg

.PHONY: dist
dist: ## Build sdist and wheel into dist/, and try the wheel in an environment of its own
	rm -rf dist build/dist
	$(PYTHON) -m venv build/dist/builder
	build/dist/builder/bin/pip install --quiet build twine
	build/dist/builder/bin/python -m build --outdir dist
	build/dist/builder/bin/twine check --strict dist/*
	$(PYTHON) -m venv build/dist/user
	build/dist/user/bin/pip install --quiet dist/*.whl
	build/dist/user/bin/pip check
	cd build/dist && user/bin/python -W error ../../examples/demo.py > demo.txt

.PHONY: clean
clean: ## Remove what the targets above made
	rm -rf $(VENV) $(OLDEST) $(LAKE) build dist site .cache *.egg-info src/*.egg-info .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis
