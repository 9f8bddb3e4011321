# What a developer types. Each target sets up .venv by itself; PYTHON=... names the interpreter to make it from.

.PHONY: run test bench soak lint docs links clean help
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# An interpreter that was asked for is used or refused; else the first that is new enough.
ifdef PYTHON
CANDIDATES := $(PYTHON)
else
CANDIDATES := python3 python3.13 python3.12 python3.11 python3.10 python3.14
endif

# An environment whose Python went away, or which came here from another folder, is made anew.
$(shell { $(BIN)/python -c '' && [ "$$(cat $(VENV)/.made)" = '$(CURDIR)' ]; } 2>/dev/null || rm -f $(VENV)/.made)

help:
	@echo 'make run    an agent script under an example rule file, without a network to leave by'
	@echo 'make test   the tests (PYTEST_ARGS=... for pytest)'
	@echo 'make lint   ruff and mypy'
	@echo 'make bench  what the guard costs, in one table (ARGS=--quick for a look)'
	@echo 'make soak   the long suites, then a million connections and an hour of everything (ARGS=--help for less)'
	@echo 'make docs   the site, in build/docs'
	@echo 'make links  whether what the site links to elsewhere is there'
	@echo 'make clean  removes .venv and everything built'

run: $(VENV)/.example
	@$(BIN)/python examples/agent/demo.py $(ARGS)

test: $(VENV)/.test
	$(BIN)/python -m pytest $(PYTEST_ARGS)

soak: $(VENV)/.test
	$(BIN)/python -m pytest -m 'slow or property or hostile' --hypothesis-profile=soak $(PYTEST_ARGS)
	$(BIN)/python -m tests.soak $(ARGS)

bench: $(VENV)/.test
	$(BIN)/python tests/bench/table.py $(ARGS)

lint: $(VENV)/.test
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy

# A warning is an error: a page outside the navigation, a link or anchor that leads nowhere, a code block in no language.
# All pages are written anew, for each has the navigation; they are read anew only if they have changed.
SPHINX := $(BIN)/python -m sphinx --quiet --write-all --fail-on-warning --keep-going --doctree-dir build/doctrees docs

docs: $(VENV)/.docs
	@$(BIN)/python docs/make_pictures.py
	@$(SPHINX) build/docs
	@echo 'the site is in build/docs/index.html'

links: $(VENV)/.docs
	@$(BIN)/python -c 'import socket; socket.create_connection(("example.org", 443), 10)' 2>/dev/null \
	    || { echo 'no network: links to elsewhere are not checked'; exit 0; } \
	    && $(SPHINX) build/links -b linkcheck

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.* htmlcov
	find . -path ./.git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp for each extra: what pyproject.toml asks for is in .venv.
$(VENV)/.docs $(VENV)/.example $(VENV)/.test: $(VENV)/.%: pyproject.toml $(VENV)/.made
	@echo 'installing netguard[$*] into $(VENV)'
	@$(INSTALL) --editable '.[$*]'
	@touch $@

# pip: before 21.3 it cannot install an editable of a project without setup.py; 22.3 knows --python.
$(VENV)/.made:
	@for python in $(CANDIDATES); do \
	    "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && { found="$$python"; break; }; \
	done; \
	if [ -z "$$found" ]; then \
	    echo 'netguard needs Python 3.10 or later and found none as: $(CANDIDATES)' >&2; \
	    echo 'Say where it is: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)' >&2; exit 1; \
	fi; \
	"$$found" -m venv --clear $(VENV) || { \
	    echo "$$found could not make $(VENV); on Debian and Ubuntu the package python3-venv is missing." >&2; exit 1; \
	}
	@$(INSTALL) 'pip>=22.3'
	@echo '$(CURDIR)' > $@
