# Two commands are enough: `make demo` and `make test`. Each builds the locked environment it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: trial-refresh demo test test-all test-identity test-clients check fix bench lock clean help
.DEFAULT_GOAL := help

help:
	@echo "make demo            the whole story on embedded parts, then it keeps serving (ONCE=1 ends after the story)"
	@echo "make test            every test that needs no other program"
	@echo "make test-all        these and the suites that need Node.js 22, PostgreSQL, Redis, OpenBao, Keycloak and Chromium"
	@echo "make test-identity   sign in, call, step up, sign out, … through Keycloak, oidc-provider and the sandbox's own"
	@echo "make test-clients    real assistants sign in here: the SDKs, Inspector, mcp-remote, FastMCP, … (needs Chromium)"
	@echo "make trial-refresh   which way of refreshing loses how many grants (SEEDS=20; needs PostgreSQL and Redis)"
	@echo "make check           style, types, architecture and documentation"
	@echo "make bench           side by side with a bare endpoint and with mcp-atlassian (JSON=1 for one object)"
	@echo "make fix             format"

$(VENV)/.run: requirements.lock pyproject.toml
	@echo "Building the locked environment in $(VENV) (once; packages from PyPI)…"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; this is $$($(PYTHON) --version). Set PYTHON=/path/to/python3.11."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing; on Debian: apt install python3-venv."; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python scripts/link.py
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.lock
	@echo "Adding the tools for development…"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

demo: $(VENV)/.run
	@$(BIN)/jira-agent-gateway demo $(if $(ONCE),--once)

test: $(VENV)/.dev
	$(BIN)/python -m pytest -m "not needs_node and not needs_servers and not needs_providers and not needs_clients" $(TESTS)

test-all: test
	@sh tests/node/install.sh
	@sh tests/providers/oidc/install.sh
	@sh tests/providers/install.sh
	@sh tests/store/install.sh
	@sh tests/clients/install.sh
	$(BIN)/python -m pytest -m "needs_node or needs_servers or needs_providers or needs_clients" $(TESTS)

# Fetches Keycloak from Maven Central and oidc-provider from npm, once; starts each for its own tests.
test-identity: $(VENV)/.dev
	@sh tests/providers/oidc/install.sh
	@sh tests/providers/install.sh
	$(BIN)/python -m pytest tests/providers

# Fetches assistants from npm and PyPI, once, and lets them sign in at a gateway before the sandbox.
test-clients: $(VENV)/.dev
	@sh tests/clients/install.sh
	$(BIN)/python -m pytest tests/clients
	$(BIN)/python scripts/clients.py

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_architecture.py tests/test_docs.py
	$(BIN)/jira-agent-gateway policy check policies

# 4 replicas that are killed and paused, over PostgreSQL and Redis: who loses how many grants. 20 seeds take a quarter of an hour.
trial-refresh: $(VENV)/.dev
	@$(BIN)/python -m tests.trial --seeds $(or $(SEEDS),20) $(if $(JSON),--json)

bench: $(VENV)/.dev
	@$(BIN)/python -m bench $(if $(JSON),--json)

fix: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# A dependency must be a week old before it is locked.
lock: $(VENV)/.dev
	$(BIN)/python scripts/lock.py

clean:
	rm -rf $(VENV) .work data build dist
