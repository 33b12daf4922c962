# `make demo` and `make test` do all their own set-up; the rest is for those who change the code.
# PYTHON=python3.12 chooses the interpreter of a new .venv, ARGS="-k camera -x" goes to pytest.

BIN := .venv/bin
export PYTHON LABELKIT_CHROMIUM

SECONDS ?= 60
TRAININGS := benchmarks/collapse.py benchmarks/study.py benchmarks/quality.py  # hours

# Each test process may start TensorFlow: more threads than cores only slow each other down.
TESTS := OMP_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 TF_CPP_MIN_LOG_LEVEL=2 \
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile

.PHONY: help setup demo test browser-tests check lint fast sweep fuzz docs fix bench bench-labels bench-tune bench-collapse bench-study bench-quality lock clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

setup:  ## make .venv with all that is needed (every target does this first)
	@bash scripts/setup.sh

demo: setup  ## simulate, build, map, train and report, in demo/
	$(BIN)/labelkit demo demo/

test: setup  ## all tests but the sweeps and those in a browser
	$(TESTS) -m "not sweep and not browser" $(ARGS)

browser-tests: setup  ## the pages in Debian's chromium, which is installed if it is missing
	@bash scripts/chromium.sh
	$(BIN)/pytest -m browser -n 2 --dist loadfile tests/browser $(ARGS)

check: lint fast  ## format, lint, spelling, types and the tests that are fast

lint: setup  ## format, lint, spelling, types and dependencies
	$(BIN)/ruff format --check . || { echo "not formatted; make fix does that"; exit 1; }
	$(BIN)/ruff check .
	$(BIN)/codespell
	$(BIN)/mypy
	$(BIN)/deptry .

fast: setup  ## the tests that are not marked slow
	$(TESTS) -m "not slow and not sweep and not browser" $(ARGS)

sweep: setup  ## the tests that go through all cases of something, for minutes
	$(TESTS) -m sweep $(ARGS)

fuzz: setup  ## look for bytes that break a reader of files, guided by what they reach; SECONDS=60 each
	$(BIN)/uv pip install --quiet --python $(BIN)/python --group fuzz
	for reader in manifest sidecar list shard table record picture; do \
		$(BIN)/python -m tests.hostile.guided $$reader --seconds $(SECONDS) || exit; done

docs: setup  ## the documentation as pages, in build/docs; a warning is an error
	TF_CPP_MIN_LOG_LEVEL=2 $(BIN)/sphinx-build --quiet --fail-on-warning --keep-going -b html docs build/docs
	@echo "build/docs/README.html"

fix: setup  ## format, and fix what ruff can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup  ## measure all but trainings; results in benchmarks/results/
	for script in $(filter-out $(TRAININGS), $(wildcard benchmarks/*.py)); do $(BIN)/python $$script || exit; done

bench-labels: setup  ## measure the labels alone: errors, repeatability, times
	$(BIN)/python benchmarks/labels.py $(ARGS)

bench-tune: setup  ## measure the search alone: TPE against chance, two workers against one
	$(BIN)/python benchmarks/tune.py $(ARGS)

bench-collapse: setup  ## train 32 random networks a family by two recipes, in collapse/: hours; goes on where it stopped
	$(BIN)/python benchmarks/collapse.py --draws 32 $(ARGS)

bench-study: setup  ## train from the study's recipe to labelkit's, in collapse/; goes on where it stopped
	$(BIN)/python benchmarks/study.py --picture docs/images/study.svg $(ARGS)

bench-quality: setup  ## train presets and families on 60 simulated people, in quality/: hours; goes on where it stopped
	$(BIN)/python benchmarks/quality.py $(ARGS)

lock: setup  ## write requirements.lock again from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --group dev --group docs --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header --upgrade --quiet --output-file requirements.lock

clean:  ## remove .venv and what tests, tools and the demo left
	rm -rf .venv .pytest_cache .hypothesis .mypy_cache .ruff_cache build dist demo benchmarks/results
