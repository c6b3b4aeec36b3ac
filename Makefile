# `make demo` and `make test` are all that a fresh machine needs: both run `make setup` first.
PYTHON ?= python3
VENV ?= .venv
MMCV ?= mmcv==2.1.0
REQUIREMENTS ?= requirements.txt
VENV_ONEDL ?= .venv-onedl
MMCV_ONEDL ?= onedl-mmcv==2.3.6
# Those of what stands on MMDetection, not those of the algorithm alone.
TESTS_ONEDL ?= $(addprefix tests/test_,apis configs datasets e2e engine evaluation images merging models package)
# One process of tests for each core; TEST_OPTIONS="--random-order" runs them in another order.
WORKERS ?= -n logical
TEST_OPTIONS ?=
PY := $(VENV)/bin/python
PIP := $(PY) -m pip install -qq --disable-pip-version-check
STAMP := $(VENV)/.setup-done

.PHONY: help setup demo test test-slow docs setup-onedl test-onedl lint clean
.DEFAULT_GOAL := help

help:
	@echo 'make setup      create $(VENV) and install everything, mmcv with compiled operations included'
	@echo 'make demo       a demonstration on drawn images, without data or GPU'
	@echo 'make test       the tests'
	@echo 'make test-slow  the tests that take longer'
	@echo 'make docs       the documentation site, into docs/_build/html'
	@echo 'make test-onedl the tests of training and testing on the onedl forks of MMDetection, in $(VENV_ONEDL)'
	@echo 'make lint       check style and formatting'
	@echo 'make clean      remove $(VENV), $(VENV_ONEDL) and docs/_build'
	@echo 'PYTHON=python3.11 and VENV=folder choose another Python and another folder.'

setup: $(STAMP)

# Each step is safe to repeat, so that a setup that stopped goes on where it was.
$(STAMP): $(REQUIREMENTS) requirements-common.txt setup.cfg pyproject.toml
	@rm -f $(STAMP)
	@echo 'setup 1/5: virtual environment $(VENV)'
	@$(PY) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	@echo 'setup 2/5: PyTorch, MMDetection and tools (some minutes where they have to be downloaded)'
	@$(PIP) -r $(REQUIREMENTS)
	@echo 'setup 3/5: mmcv with compiled operations (about 10 minutes where it has to be compiled)'
	@$(PY) -c 'import mmcv.ops' 2>/dev/null || { \
	  start=$$(date +%s); \
	  (while sleep 30 >/dev/null 2>&1; do echo "  still building mmcv, $$(( $$(date +%s) - start )) seconds so far"; done) & \
	  alive=$$!; trap "kill $$alive" EXIT; \
	  MMCV_WITH_OPS=1 $(PIP) --no-build-isolation --no-deps --force-reinstall '$(MMCV)'; }
	@$(PY) -c 'import mmcv.ops' || { \
	  echo 'error: mmcv is installed but its compiled operations cannot be imported (see above):' \
	    'run "$(PY) -m pip cache remove mmcv", see that a C++ compiler is there, and run make setup again' >&2; \
	  exit 1; }
	@echo 'setup 4/5: the command line tool mim'
	@$(PIP) --no-deps openmim==0.3.9 model-index==0.1.11 ordered-set
	@echo 'setup 5/5: mmsniper itself, from this checkout'
	@$(PIP) --no-build-isolation --editable .
	@$(PY) .ci/link_checkout.py
	@$(PY) -c 'import mmsniper'
	@touch $(STAMP)
	@echo 'setup done'

demo: setup
	$(PY) tools/demo.py

test: setup
	$(PY) -m pytest -q $(WORKERS) $(TEST_OPTIONS)

test-slow: setup
	$(PY) -m pytest -q -m slow

# A warning of Sphinx, such as a link that leads nowhere, is an error.
docs: setup
	@$(PIP) -r requirements-docs.txt
	$(PY) -m sphinx -q -W --keep-going -b html docs docs/_build/html
	@echo 'written: docs/_build/html/index.html'

# The same steps with other packages into another folder: they would overwrite each other in one.
setup-onedl:
	@$(MAKE) --no-print-directory setup VENV='$(VENV_ONEDL)' MMCV='$(MMCV_ONEDL)' REQUIREMENTS=requirements-onedl.txt

test-onedl: setup-onedl
	$(VENV_ONEDL)/bin/python -m pytest -q $(TESTS_ONEDL)

lint: setup
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

clean:
	rm -rf $(VENV) $(VENV_ONEDL) docs/_build
