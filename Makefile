# Everything a person does with this repository. `make help` lists it.
SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# .venv stays with the interpreter that it was made with (python3 the first time) until another is named.
PYTHON ?=
GATEWAY_PORT ?= 8080
PORT_SHIFT ?= 0
GATEWAY ?= http://127.0.0.1:$(GATEWAY_PORT)
VENV := .venv/bin
# Tests wait more than they work: three at a time on two cores, each with servers of its own. WORKERS= runs one after the other.
WORKERS ?= -n 3
LOCAL := $(VENV)/python -m hub_local
# Which prices: FEED=lean DATA=folder SPEED=60 START=2013-10-07 RESOLUTION=tick, FEED=random SYMBOLS=100 RATE=1000, or
# FEED=alpaca SYMBOLS=AAPL,MSFT with the key in HUB_ALPACA_ variables.
# What nobody says stays as the HUB_ variable of the shell has it.
FEEDING := $(if $(FEED),HUB_FEED='$(FEED)' $(if $(DATA),HUB_FEED_DATA='$(abspath $(DATA))') \
  $(if $(START),HUB_FEED_START='$(START)') $(if $(RESOLUTION),HUB_FEED_RESOLUTION='$(RESOLUTION)') \
  $(if $(SYMBOLS),$(if $(filter alpaca,$(FEED)),HUB_ALPACA_SYMBOLS,HUB_FEED_SYMBOLS)='$(SYMBOLS)') $(if $(RATE),HUB_FEED_RATE='$(RATE)')) \
  $(if $(SPEED),HUB_FEED_SPEED='$(SPEED)')
# In containers a feed that needs files brings a file of its own.
COMPOSE := docker compose $(if $(FEED),$(addprefix --file ,docker-compose.yml $(wildcard deploy/feeds/$(FEED).yml)))
PORTS := --gateway-port $(GATEWAY_PORT) --port-shift $(PORT_SHIFT)
# Both at once are refused.
WHICH := $(if $(filter yes,$(ALL)),--all) $(if $(EVENT),--event-id '$(EVENT)')
PACKAGES := $(notdir $(wildcard libs/*/hub_* services/*/hub_* gateway/hub_* deploy/local/hub_*))
MEMBERS := $(wildcard proto/pyproject.toml libs/*/pyproject.toml services/*/pyproject.toml gateway/pyproject.toml deploy/local/pyproject.toml)
DISTRIBUTIONS := $(shell sed -n 's/^name = "\(.*\)"/\1/p' $(MEMBERS))
MIGRATIONS := $(wildcard services/*/hub_*/migrations/*.sql)

.PHONY: help setup servers-installed test-servers-installed bench-installed run servers stop status logs reset db-migrate db-seed db-reset db-shell verify-audit reconcile dlq-list dlq-replay dlq-drop demo check-readme check-upgrade compose-secrets images up down test test-fast test-browser test-browser-installed bench-orders bench-resting bench-books bench-summary bench-cuts bench-market-data bench-quotes lint manifests fmt types sql proto lock test-long

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | awk -F'\t' '{ printf "  %-15s %s\n", $$1, $$2 }'

setup: ## make .venv with the locked packages and all members (also done by run, test and lint; PYTHON=python3.13)
	@PYTHON=$(PYTHON) sh deploy/local/bootstrap.sh

# What of the servers is missing is said or installed first, together with what .venv needs.
servers-installed:
	@PYTHON=$(PYTHON) sh deploy/local/packages.sh
	@PYTHON=$(PYTHON) sh deploy/local/bootstrap.sh

# Tests always start servers of their own, whatever servers the environment names.
test-servers-installed:
	@PYTHON=$(PYTHON) sh deploy/local/packages.sh all
	@PYTHON=$(PYTHON) sh deploy/local/bootstrap.sh

# Chromium as well.
test-browser-installed:
	@PYTHON=$(PYTHON) sh deploy/local/packages.sh browser
	@PYTHON=$(PYTHON) sh deploy/local/bootstrap.sh

# The benchmarks as well; their load generator comes the same way.
bench-installed:
	@PYTHON=$(PYTHON) sh deploy/local/packages.sh bench
	@PYTHON=$(PYTHON) sh deploy/local/bootstrap.sh

run: servers-installed ## start everything, run the demonstration, stay until Ctrl-C (GATEWAY_PORT=8080, DEMO=no skips it, FEED=lean DATA=folder SPEED=60)
	@exec env $(FEEDING) $(LOCAL) run $(PORTS) $(if $(filter no,$(DEMO)),--no-demo)

servers: servers-installed ## start PostgreSQL, Redis and RabbitMQ only, stay until Ctrl-C
	@exec env $(FEEDING) $(LOCAL) servers $(PORTS)

stop: setup ## stop what `make run` started in another terminal
	@$(LOCAL) stop

status: setup ## show every process and whether it is ready
	@$(LOCAL) status

logs: setup ## follow the events, or with NAME=order the log of one process
	@exec $(LOCAL) logs $(NAME)

reset: setup ## delete the local stack's data, secrets, certificates and logs
	@$(LOCAL) reset

db-migrate: servers-installed ## make the databases that are missing and bring all up to date
	@exec env $(FEEDING) $(LOCAL) db-migrate $(PORTS)

db-seed: servers-installed ## put in what the services start with (instruments, calendars, the administrator)
	@exec env $(FEEDING) $(LOCAL) db-seed $(PORTS)

db-reset: servers-installed ## delete the local stack's databases and make them anew (asks, or FORCE=yes)
	@exec env $(FEEDING) $(LOCAL) db-reset $(PORTS) $(if $(filter yes,$(FORCE)),--yes)

db-shell: servers-installed ## psql in the database of one service: SERVICE=order
	@exec env $(FEEDING) $(LOCAL) db-shell $(PORTS) '$(SERVICE)'

verify-audit: servers-installed ## hold the history of orders against itself (ARGS='--since 2026-11-01' or '--order ID')
	@exec env $(FEEDING) $(LOCAL) verify-audit $(PORTS) $(ARGS)

reconcile: setup ## hold orders against the books of the running stack (ARGS='--since 2026-11-01' or '--all')
	@exec env $(FEEDING) $(LOCAL) reconcile $(PORTS) $(ARGS)

dlq-list: setup ## list the dead letters of the running stack (FAMILY=orders or positions, both without)
	@for family in $(or $(FAMILY),orders positions); do echo "$$family.dlq"; $(LOCAL) dlq list --family $$family || exit; done

dlq-replay: setup ## send dead letters back to their queues: FAMILY=orders EVENT=id, or ALL=yes
	@$(LOCAL) dlq replay --family '$(FAMILY)' $(WHICH)

dlq-drop: setup ## forget dead letters, the log keeps them: FAMILY=orders EVENT=id, or ALL=yes
	@$(LOCAL) dlq drop --family '$(FAMILY)' $(WHICH)

demo: setup ## run the demonstration against the running stack, or GATEWAY=http://127.0.0.1:8080
	@exec $(LOCAL) demo $(if $(filter-out file,$(origin GATEWAY)),--gateway '$(GATEWAY)')

compose-secrets: setup ## make the secrets and certificates of docker-compose.yml, as far as they are missing
	@$(LOCAL) compose-secrets deploy/compose

images: ## build the container images (hub-order:dev and so on)
	SECRETS_FOLDER=./deploy/compose docker compose build

up: setup ## build and start everything in containers (GATEWAY_PORT=8080, FEED as of run), wait until it is ready
	@$(LOCAL) compose-secrets --check deploy/compose
	@env $(FEEDING) GATEWAY_PORT=$(GATEWAY_PORT) $(COMPOSE) up --build --detach --wait --wait-timeout 300
	@echo "gateway: http://127.0.0.1:$(GATEWAY_PORT)/api/v1"

down: ## end the containers; their data is kept
	docker compose down

check-readme: setup ## run what README.md shows against the running stack, and compare (GATEWAY=http://127.0.0.1:8080)
	@$(VENV)/python -m tests.pages.check_readme --gateway $(GATEWAY)

test: test-servers-installed .venv/manifests/.stamp ## run all tests on servers of their own (ARGS='-k name' for some, PYTHON=python3.13 on another)
	@exec $(VENV)/pytest $(WORKERS) $(ARGS)

test-fast: test-servers-installed .venv/manifests/.stamp ## run all tests but those of the whole system
	@exec $(VENV)/pytest $(WORKERS) --ignore tests/system $(ARGS)

test-long: test-servers-installed ## search orders and books for faults, for hours (EXAMPLES=500 for less)
	@EXAMPLES=$(or $(EXAMPLES),10000) exec $(VENV)/pytest -m long $(ARGS)

test-browser: test-browser-installed ## run the tests that need a browser (it installs Chromium, from Debian)
	@exec $(VENV)/pytest -m browser $(ARGS)

bench-orders: bench-installed ## measure orders from click to books, beside what this machine can do (ARGS='--help')
	@exec $(VENV)/python -m tests.load $(ARGS)

bench-resting: test-servers-installed ## measure how many quotes a second are held against a million resting orders
	@exec $(VENV)/python -m tests.load.resting

bench-books: test-servers-installed ## measure booking and summaries with a long past, and one position worker beside pgbench
	@exec $(VENV)/python -m tests.load.bookings

bench-summary: test-servers-installed ## measure how long a portfolio's summary takes while 10 to 500 users ask at once
	@exec $(VENV)/python -m tests.load.summary

bench-cuts: test-servers-installed ## measure what a cut of the ledger and a check of the books cost, of an account with a million postings
	@exec $(VENV)/python -m tests.load.cuts

bench-market-data: test-servers-installed ## measure reads of market data, hits and misses, and ten thousand streams of quotes
	@exec $(VENV)/python -m tests.load.market $(ARGS)

bench-quotes: test-servers-installed ## measure live quotes to 10,000 sockets, beside a bare broadcast of the same bytes (ARGS='--help')
	@exec $(VENV)/python -m tests.load.sockets $(ARGS)

check-upgrade: test-servers-installed ## run the code before the newest migration on today's schema, demonstration and all
	@exec $(VENV)/python -m tests.deploy.yesterday

lint: setup ## check style, types, import rules, contracts, generated code and SQL
	$(VENV)/ruff check
	$(VENV)/ruff format --check
	@$(MAKE) types
	$(VENV)/lint-imports
	cd proto && ../$(VENV)/buf lint
	$(VENV)/python proto/generate.py --check
	@$(MAKE) sql
	@$(MAKE) manifests

manifests: .venv/manifests/.stamp ## check docker-compose.yml, Dockerfile and k8s/
	SECRETS_FOLDER=./deploy/compose .venv/manifests/bin/docker-compose config -q
	@set -e; for feed in lean alpaca; do \
	  SECRETS_FOLDER=./deploy/compose HUB_FEED_DATA=/data HUB_ALPACA_KEY_ID=id HUB_ALPACA_SECRET_FILE=/secret \
	  HUB_ALPACA_SYMBOLS=AAPL .venv/manifests/bin/docker-compose -f docker-compose.yml -f deploy/feeds/$$feed.yml config -q; \
	done
	.venv/manifests/bin/hadolint deploy/Dockerfile
	@set -e; for place in overlays/dev overlays/prod examples/lean examples/alpaca; do \
	  .venv/manifests/bin/kubectl kustomize k8s/$$place > .venv/manifests/rendered.yaml; \
	  found=$$(.venv/manifests/bin/kubernetes-validate --strict -k 1.32 .venv/manifests/rendered.yaml 2>&1) \
	    || { echo "$$found" | grep -v ' passed for '; exit 1; }; \
	  echo "k8s/$$place: valid"; \
	done

fmt: setup ## format the code and mend what can be mended
	$(VENV)/ruff check --fix
	$(VENV)/ruff format

types: setup ## check the types (mypy, strict)
	$(VENV)/mypy $(addprefix -p ,$(PACKAGES)) -p tests

sql: setup ## check the migrations
	$(VENV)/squawk $(MIGRATIONS)

proto: setup ## generate the Python code of the contracts again
	$(VENV)/python proto/generate.py

.venv/manifests/.stamp: requirements/manifests.txt | setup
	.venv/bootstrap/bin/uv venv --quiet --clear --python .venv/bin/python .venv/manifests
	.venv/bootstrap/bin/uv pip sync --quiet --python .venv/manifests/bin/python --require-hashes $<
	@# What the package puts into bin/ hides the exit code.
	@cd .venv/manifests/bin && ln -sf ../lib/python3*/site-packages/compose/docker-compose docker-compose
	@touch $@

lock: setup ## lock the third-party packages again (requirements/)
	.venv/bootstrap/bin/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-emit-index-url --no-header \
	  --group pyproject.toml:dev $(MEMBERS) $(addprefix --no-emit-package ,$(DISTRIBUTIONS)) -o requirements/dev.txt
	.venv/bootstrap/bin/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-emit-index-url --no-header \
	  -c requirements/dev.txt $(filter-out deploy/%,$(MEMBERS)) $(addprefix --no-emit-package ,$(DISTRIBUTIONS)) -o requirements/runtime.txt
	.venv/bootstrap/bin/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-emit-index-url --no-header \
	  --group pyproject.toml:manifests -o requirements/manifests.txt
