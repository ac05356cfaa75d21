# The same commands locally and in CI. `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/cdcproof
# most tests wait for a pipeline: a third worker uses the processors meanwhile
SIDE_BY_SIDE := -n 3 --dist loadfile --no-loadscope-reorder
# where it is set, each of a thousand processes would compile all it imports
unexport PYTHONDONTWRITEBYTECODE
# what `make morning` looks at: a name in fixtures/pipelines/ or a path; empty means the embedded pipeline
export CDCPROOF_PIPELINE ?=

.PHONY: help morning up down status test test-unit drills mutants alerts audit lint format generate pictures lock sbom release clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

morning: $(INSTALLED) ## the morning health check; starts and fills the embedded pipeline when none is configured
ifeq ($(CDCPROOF_PIPELINE),)
	@$(BIN)/cdcproof up
	@$(BIN)/cdcproof load
	@$(BIN)/cdcproof reconcile --pipeline embedded --validate-checksums
endif
	@$(BIN)/pytest -m morning

up: $(INSTALLED) ## start the embedded pipeline, the exporter, and monitoring where its programs are found
	@$(BIN)/cdcproof up --monitoring

down: $(INSTALLED) ## stop everything that `up` started
	@$(BIN)/cdcproof down

status: $(INSTALLED) ## list what runs
	@$(BIN)/cdcproof status

test: $(INSTALLED) ## all tests; three workers, each with a pipeline of its own
	@$(BIN)/pytest tests $(SIDE_BY_SIDE) --durations 12

test-unit: $(INSTALLED) ## the tests that need no pipeline, engine, server or other program: two and a half minutes
	@$(BIN)/pytest tests -m "not integration and not docker and not server and not judges" $(SIDE_BY_SIDE)

drills: $(INSTALLED) ## every fault of docs/DRILLS.md injected and timed, pairs of faults, disaster recovery: fifteen minutes
	@$(BIN)/python scripts/drills.py
	@$(BIN)/pytest tests/drills -m drill

mutants: $(INSTALLED) ## change the judging code, place by place, and show what its tests miss: what has changed; MODULES="findings.py …" for some, all for an hour
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-mutants.lock
	@$(BIN)/python scripts/mutants.py $(MODULES)

alerts: $(INSTALLED) ## alerts from faults of a running pipeline to their receivers: five minutes; not in `make test`
	@CDCPROOF_ALERTS=1 $(BIN)/pytest tests/integration/test_alerts.py tests/integration/test_alerts_room.py

audit: $(INSTALLED) ## known vulnerabilities of every package that a lock file pins, but those of audit-ignored.toml
	@$(BIN)/python scripts/audit.py requirements*.lock

lint: $(INSTALLED) ## linter, formatter, types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(INSTALLED) ## format the code, and mend what the linter can
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

generate: $(INSTALLED) ## write again what follows from the catalogue of checks: alerts, inhibition, tables in docs
	@$(BIN)/python scripts/generate.py

pictures: $(INSTALLED) ## draw docs/pictures anew with Grafana's own panels; needs npm, chromium, prometheus and ten minutes
	@CDCPROOF_PICTURES=docs/pictures $(BIN)/pytest tests/integration/test_dashboards.py

lock: $(INSTALLED) ## pin every Python dependency again, by version and hash
	@$(BIN)/pip-compile --quiet --upgrade --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url \
	    --no-emit-find-links --extra embedded --extra sqlserver --extra stream \
	    --extra s3 --extra notify --extra cluster --extra dev --output-file requirements.lock pyproject.toml
	@$(BIN)/pip-compile --quiet --upgrade --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url \
	    --no-emit-find-links --constraint requirements.lock --output-file requirements-mutants.lock requirements-mutants.in
	@$(BIN)/pip-compile --quiet --upgrade --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url \
	    --no-emit-find-links --constraint requirements.lock --output-file requirements-audit.lock requirements-audit.in

sbom: $(INSTALLED) ## write the bill of materials of a release (CycloneDX) to dist/cdcproof.cdx.json
	@$(BIN)/python scripts/sbom.py dist/cdcproof.cdx.json

release: $(INSTALLED) ## VERSION=0.2.0: name what is unreleased, commit, tag, build dist/; pushes nothing
	@$(BIN)/python scripts/release.py '$(VERSION)'
	@$(BIN)/python -m build
	@$(MAKE) --no-print-directory sbom
	@echo 'Look at dist/ and the commit, then: git push origin HEAD v$(VERSION)'

clean: ## remove what this checkout made: its embedded pipeline with its reports, environment, tools' caches
	@if [ -x $(BIN)/cdcproof ]; then $(BIN)/cdcproof down --here --remove; fi
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist src/*.egg-info
	@if [ -d "$(CACHE)" ]; then echo "What was downloaded stays for other checkouts; remove it with: rm -rf '$(CACHE)'"; fi

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "cdcproof needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python3" >&2; exit 2; }
	@echo "Setting up $(VENV) (once; about a minute)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
