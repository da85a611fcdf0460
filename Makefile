# Ledgertide's commands. `make` lists them.

SHELL := /bin/sh
VENV := .venv
PY := $(VENV)/bin/python
# One more than there are processors, as some tests wait; more than four cost more than they bring, since each
# worker has servers of its own.
WORKERS ?= $(shell n=$$(($$(nproc 2>/dev/null || echo 2) + 1)); [ $$n -gt 4 ] && n=4; echo $$n)
PYTEST_ARGS ?=
# Where the tests' files lie: in memory where there is room for them and PostgreSQL's programs may run from it,
# as each new database is hundreds of small files.
MEMORY := $(shell [ -w /dev/shm ] && ! grep -q ' /dev/shm .*noexec' /proc/mounts && \
	[ "$$(df -Pk /dev/shm | awk 'END { print $$4 }')" -ge 2000000 ] && \
	awk '/^MemAvailable/ { exit $$2 < 4000000 }' /proc/meminfo && echo /dev/shm)
# Where it is set, each of the many processes of a run or a test would compile all of it anew.
unexport PYTHONDONTWRITEBYTECODE

# A .venv that was moved or copied here, or whose Python is gone, is made anew.
HOME_OF_VENV := $(shell [ "$$(cat $(VENV)/.home 2>/dev/null)" = "$(CURDIR)" ] && $(PY) -c '' 2>/dev/null && echo here)
ifneq ($(HOME_OF_VENV),here)
$(VENV)/.home: FORCE
endif

.DEFAULT_GOAL := help
.PHONY: help
help: ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | awk -F '\t' '{ printf "  make %-9s %s\n", $$1, $$2 }'

.PHONY: setup
setup: $(VENV)/.run ## make .venv with the locked packages; safe to run again

.PHONY: run
run: setup ## start everything on this machine, the sandbox in place of Xero; Ctrl-C ends it
	@exec $(VENV)/bin/ledgertide run

.PHONY: demo
demo: setup ## read 25 organisations, edit, press, compare with the provider, and end
	@exec $(VENV)/bin/ledgertide demo

.PHONY: test
test: $(VENV)/.dev ## run all tests but those of make faults (PYTEST_ARGS="-k words" for some)
	TMPDIR=$${TMPDIR:-$(MEMORY)} $(PY) -m pytest -n $(WORKERS) --dist worksteal --ignore tests/faults $(PYTEST_ARGS)

.PHONY: faults
faults: $(VENV)/.dev ## kill, freeze and cut real processes at every step of their work, and a short soak
	$(PY) -m pytest tests/faults $(PYTEST_ARGS)

.PHONY: walk
walk: $(VENV)/.dev ## of these the kill at every step on PostgreSQL, and one kill and a short soak on SQLite
	$(PY) -m pytest tests/faults/test_kill_points.py tests/faults/test_one_blow.py tests/faults/test_soak.py \
		-k "(kill_points and postgresql) or killed_workers_run or (soak and sqlite)" $(PYTEST_ARGS)

.PHONY: check
check: format lint types imports test walk ## what CI runs: format, lint, types, import rules, tests, the walk

.PHONY: format
format: $(VENV)/.dev ## check the format (make fix mends it)
	$(PY) -m ruff format --check .

.PHONY: lint
lint: $(VENV)/.dev ## check the lint rules
	$(PY) -m ruff check .

.PHONY: types
types: $(VENV)/.dev ## check the types
	$(PY) -m mypy

.PHONY: imports
imports: $(VENV)/.dev ## check that the rooms import one way
	$(VENV)/bin/lint-imports

.PHONY: fix
fix: $(VENV)/.dev ## mend format and lint where a tool can
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

.PHONY: mutants
mutants: $(VENV)/.dev ## take each mechanism out; its test must fail (ONLY=name for one)
	$(PY) tests/mutants/run.py $(ONLY)

.PHONY: soak
soak: $(VENV)/.dev ## kill, freeze, cut and wipe for MINUTES=10 (DATABASE=postgresql|sqlite SEED=n), then compare record by record
	$(PY) -m tests.faults --minutes $(or $(MINUTES),10) --database $(or $(DATABASE),postgresql) $(if $(SEED),--seed $(SEED))

.PHONY: bench
bench: $(VENV)/.dev ## measure what a decision of the limiter costs, beside bare round trips
	$(PY) -m bench.limiter

.PHONY: storm
storm: $(VENV)/.dev ## send 10,000 webhooks, half of them about one organisation, and judge what becomes of them
	$(PY) -m bench.webhooks

.PHONY: fairness
fairness: $(VENV)/.dev ## measure how a huge import delays 300 others, and a press behind 100,000 due lists
	$(PY) -m bench.fairness

.PHONY: week
week: $(VENV)/.dev ## simulate a week of 20 organisations (DAYS=7 ORGANISATIONS=20 SEED=n) and judge every promise
	$(PY) -m bench.week --days $(or $(DAYS),7) --organisations $(or $(ORGANISATIONS),20) $(if $(SEED),--seed $(SEED))

.PHONY: decisions
decisions: $(VENV)/.dev ## bring 1,000 decisions to the sandbox while answers are lost and workers killed (DECISIONS=1000)
	$(PY) -m bench.decisions --decisions $(or $(DECISIONS),1000) $(if $(SEED),--seed $(SEED))

.PHONY: docs
docs: $(VENV)/.run ## write docs/tables.md anew, from the endpoint table
	$(VENV)/bin/ledgertide tables > docs/tables.md

.PHONY: lock
lock: $(VENV)/.dev ## renew requirements/ from pyproject.toml
	$(VENV)/bin/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 \
		pyproject.toml requirements/build.in -o requirements/run.txt
	$(VENV)/bin/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 --extra dev \
		pyproject.toml requirements/build.in -o requirements/dev.txt

# --- the set-up behind them -----------------------------------------------------------------------

INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check

$(VENV)/.run: requirements/run.txt pyproject.toml $(VENV)/.home
	@echo "Installing the locked packages into $(VENV) ..."
	@$(INSTALL) --require-hashes --no-deps -r requirements/run.txt
	@$(INSTALL) --no-build-isolation --no-deps --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.run
	@echo "Installing the packages for tests into $(VENV) ..."
	@$(INSTALL) --require-hashes --no-deps -r requirements/dev.txt
	@touch $@

# `python3 -m venv` exists on a bare Debian but fails half-way without ensurepip: look before.
$(VENV)/.home:
	@old=; bare=; \
	for python in python3.11 python3.12 python3.13 python3.14 python3; do \
		"$$python" -c '' 2>/dev/null || continue; \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { old=$$("$$python" -V); continue; }; \
		"$$python" -c 'import ensurepip, venv' 2>/dev/null || { bare=$$python; continue; }; \
		rm -rf $(VENV) && "$$python" -m venv $(VENV) && printf '%s\n' "$(CURDIR)" > $@ && exit 0; \
		exit 1; \
	done; \
	if [ -n "$$bare" ]; then \
		echo "$$bare cannot make virtual environments here: apt-get install python3-venv" >&2; \
	elif [ -n "$$old" ]; then \
		echo "Ledgertide needs Python 3.11 or newer; this machine has $$old: apt-get install python3.11 python3.11-venv" >&2; \
	else \
		echo "Ledgertide needs Python 3.11 or newer and found none: apt-get install python3 python3-venv" >&2; \
	fi; exit 1

FORCE:
