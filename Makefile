# Every target does its own set-up: a virtual environment in .venv, pinned packages, and for the tests MariaDB.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do command -v $$p && break; done)
BIN := .venv/bin
SPEED ?= 1
NOTEBOOKS ?= notebooks/*.ipynb
LAB ?=
# Half of the tests wait for sockets and processes: two workers keep a core busy.
WORKERS ?= $(shell echo $$((2 * $$(getconf _NPROCESSORS_ONLN))))
# Compiled modules are kept whatever the shell says: the tests start a thousand processes, and each would compile its own anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo test check docs unit live-and-manual manual record notebooks live explore fuzz kills replays outages galera providers load-streams load-budget load-fanout load-fairness load-mixed load-sight bench report mariadb chromium prometheus caddy pictures clean

help: ## what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: .venv/.demo ## the whole chain in one terminal: OpenCode, bridge, relay, APNs sandbox, iPhone
	@$(BIN)/simulator demo --speed $(SPEED)

test: ## all checks and all tests; the real OpenCode and the notebooks run beside the unit tests
	@$(MAKE) --no-print-directory -j2 .venv/.dev programs
	@$(MAKE) --no-print-directory -j2 check compiled
	@$(MAKE) --no-print-directory -j2 unit live-and-manual

live-and-manual: live
	@$(MAKE) --no-print-directory manual

.PHONY: compiled programs
# Once, beside the checks: else every worker would rewrite the assertions of all tests for itself, at the same time.
compiled: .venv/.dev
	@$(BIN)/python -m pytest --collect-only -qq --ignore=tests/live >/dev/null 2>&1 || true

check: .venv/.dev docs ## format, lint, types, layers, and whether the pages can be built
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports

docs: .venv/.dev ## README, docs/ and the notebooks as pages in site/; a broken link fails
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

unit: .venv/.dev programs ## the tests, with coverage
	@rm -f .coverage .coverage.*
	@COVERAGE_PROCESS_START= $(BIN)/coverage run -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --ignore=tests/live
	@$(BIN)/coverage combine -q
	@$(BIN)/python tests/coverage_gates.py

manual: .venv/.dev ## every notebook executed, and its outputs compared with those that it holds
	@$(BIN)/python -m pytest -p nbval --nbval notebooks --nbval-sanitize-with notebooks/sanitize.cfg -n auto --maxprocesses 2 --dist loadfile

record: .venv/.dev ## every notebook executed, and its outputs stored; NOTEBOOKS=notebooks/04_live_activity.ipynb for one
	@$(BIN)/jupyter nbconvert --to notebook --inplace --execute --ClearMetadataPreprocessor.enabled=True \
	  --ClearMetadataPreprocessor.preserve_nb_metadata_mask="{'kernelspec', ('language_info', 'name')}" $(NOTEBOOKS)

notebooks: .venv/.dev ## the manual, to read and to run: Jupyter with notebook 1; LAB=--no-browser and other options of `jupyter lab`
	@$(BIN)/jupyter trust $(NOTEBOOKS) >/dev/null
	@$(BIN)/jupyter lab --allow-root $(LAB) notebooks/01_first_notification.ipynb

fuzz: .venv/.dev ## 20000 random requests against every route of relay, bridge and control API; FUZZ_REQUESTS, FUZZ_SEED
	@PYTHONPATH=tests $(BIN)/python -m fuzz

live: .venv/.dev ## real OpenCodes of both generations, from npm or PATH, through the whole chain; what is missing is said
	@$(BIN)/python tests/live/install.py
	@$(BIN)/python tests/live/second_install.py
	@$(BIN)/python -m pytest tests/live

explore: .venv/.dev ## the property tests with new random examples, EXPLORE_ROUNDS times (5)
	@tests/explore

kills: .venv/.dev mariadb ## 200 deaths and cuts of OpenCode of each generation, bridge, relay and stream at random moments, 100 on MariaDB; an hour
	@KILL_ROUNDS=200 $(BIN)/python -m pytest tests/world/test_world_kills.py tests/world/test_world_second_kills.py
	@KILL_ROUNDS=100 KILL_DATABASE=mariadb $(BIN)/python -m pytest tests/world/test_world_second_kills.py

replays: .venv/.dev ## every recording of OpenCode 2 at the recorded speed and twenty times as fast and sealed, with one relay and with two; five minutes
	@for relays in 1 2; do for speed in 1 20; do \
	  REPLAY_SPEED=$$speed REPLAY_RELAYS=$$relays REPLAY_ENCRYPT=$$([ $$speed = 1 ] && echo off || echo require) $(BIN)/python -m pytest tests/world/test_world_replays2.py || exit 1; done; done

outages: .venv/.dev mariadb ## 200 outages of relay and database under load, on SQLite and on MariaDB; half an hour
	@OUTAGE_ROUNDS=200 OUTAGE_FREEZE=12 $(BIN)/python -m pytest tests/world/test_world_outages.py -s

providers: .venv/.dev ## the relay's push client and four libraries through `simulator conform --provider`: a table of what each lost, doubled or hammered; five minutes
	@PYTHONPATH=.:tests $(BIN)/python -m providers.report

galera: .venv/.dev mariadb ## 50 outages under load with two relays on two of three Galera nodes, and 50 each on SQLite and on one MariaDB; a quarter of an hour
	@OUTAGE_ROUNDS=50 $(BIN)/python -m pytest tests/world/test_world_galera.py tests/world/test_world_outages.py -s

attack: .venv/.dev ## an attacker of a relay with limits: 1,000,000 registrations, 100,000 phones, 500 slow connections, a flood; half an hour
	@ATTACK_SIZE=1 $(BIN)/python -m pytest tests/world/test_world_attack.py -s

load-streams: .venv/.dev ## 200 sessions of either generation that stream at once into one bridge: its share of a core, its memory, the alerts
	@$(BIN)/python -m loadtests.streams

load-budget: .venv/.dev ## a card at 0.1 to 20 changes a second: the relay's policy beside naive forwarding
	@$(BIN)/python -m loadtests.budget

load-fanout: .venv/.dev ## events into the relay with 1, 3 and 100 phones per secret, counted at the phones
	@$(BIN)/python -m loadtests.fanout

load-fairness: .venv/.dev ## one secret's alerts beside a flood of another's events, and beside events with ten thousand phones
	@$(BIN)/python -m loadtests.fairness

load-mixed: .venv/.dev ## a day in minutes: working sessions, rotations, uninstalls, faults of APNs, restarts
	@$(BIN)/python -m loadtests.mixed

load-sight: .venv/.dev mariadb ## what /admin and relay log cost a relay with a million rows, on SQLite and on MariaDB; a quarter of an hour
	@$(BIN)/python -m loadtests.sight

bench: .venv/.dev ## the relay beside a naive build, the transports, two processes beside one, growth with phones and rows
	@$(BIN)/python -m loadtests.bench

report: .venv/.dev ## loadtests/REPORT.md from the newest results of all of these, and notebook 11, which shows them
	@$(BIN)/python -m loadtests.report
	@$(MAKE) record NOTEBOOKS=notebooks/11_load_test_report.ipynb

programs: .venv/bin/python # One after another: the system's package manager lets nobody work beside it.
	@tests/install-mariadb
	@tests/install-chromium
	@tests/install-unpacked prometheus
	@tests/install-unpacked caddy

chromium: ## the browser for the tests of the page, from the system's packages, where that may be installed
	@tests/install-chromium

pictures: .venv/.dev chromium ## the README's pictures of the page, anew
	@PAGE_PICTURES=docs/pictures $(BIN)/python -m pytest tests/component/control/test_control_page_pictures.py

prometheus: .venv/bin/python ## Prometheus for the tests in which it scrapes relays, from Debian's package, unpacked into .venv
	@tests/install-unpacked $@

caddy: .venv/bin/python ## Caddy for the test in which it brings TLS before relays, in the same way
	@tests/install-unpacked $@

mariadb: ## MariaDB's server from the system's packages, where that may be installed
	@tests/install-mariadb

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed, and none was found. Install it, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; $(PYTHON) is no such Python. Install it, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || tests/install-venv
	@echo "Creating .venv ..."
	@$(PYTHON) -m venv .venv || { rm -f $@; echo "No virtual environment could be made in .venv; the lines above say why." >&2; exit 1; }

# What pip prints of itself when it cannot reach the index is long, and its last line misleads.
# Python compiles what is imported when it first is, which is less than half of what is installed.
INSTALL = $(BIN)/python -m pip install -q --no-compile --disable-pip-version-check -c constraints.txt -e
FAILED = { echo "The packages could not be installed; pip says why above. They come from its package index: is there a network? Then call make again." >&2; exit 1; }

.venv/.demo: .venv/bin/python pyproject.toml constraints.txt
	@echo "Installing the packages of the demo, about 50: half a minute, once ..."
	@$(INSTALL) '.[simulator]' || $(FAILED)
	@touch $@

.venv/.dev: .venv/bin/python pyproject.toml constraints.txt
	@echo "Installing the packages of the tests, about 200: some minutes, once ..."
	@$(INSTALL) '.[dev]' || $(FAILED)
	@touch $@ .venv/.demo

clean: ## remove what the targets above made
	rm -rf .venv .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache site *.egg-info
