# Everything a person does with this repository. `make help` lists it.
SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
GATEWAY_PORT ?= 8080
VENV := .venv/bin
LOCAL := $(VENV)/python -m hub_local
PACKAGES := $(notdir $(wildcard libs/*/hub_* services/*/hub_* gateway/hub_* deploy/local/hub_*))
MEMBERS := $(wildcard proto/pyproject.toml libs/*/pyproject.toml services/*/pyproject.toml gateway/pyproject.toml deploy/local/pyproject.toml)
DISTRIBUTIONS := $(shell sed -n 's/^name = "\(.*\)"/\1/p' $(MEMBERS))
MIGRATIONS := $(wildcard services/*/hub_*/migrations/*.sql)

.PHONY: help setup servers-installed run servers stop status logs reset demo test test-fast lint fmt types sql proto lock

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | awk -F'\t' '{ printf "  %-10s %s\n", $$1, $$2 }'

setup: ## make .venv with the locked packages and all members (also done by run, test and lint)
	@PYTHON=$(PYTHON) sh deploy/local/bootstrap.sh

servers-installed: setup
	@sh deploy/local/packages.sh

run: servers-installed ## start everything, run the demonstration, stay until Ctrl-C (GATEWAY_PORT=8080, DEMO=no skips it)
	@exec $(LOCAL) run --gateway-port $(GATEWAY_PORT) $(if $(filter no,$(DEMO)),--no-demo)

servers: servers-installed ## start PostgreSQL, Redis and RabbitMQ only, stay until Ctrl-C
	@exec $(LOCAL) servers

stop: setup ## stop what `make run` started in another terminal
	@$(LOCAL) stop

status: setup ## show every process and whether it is ready
	@$(LOCAL) status

logs: setup ## follow the events, or with NAME=order the log of one process
	@exec $(LOCAL) logs $(NAME)

reset: setup ## delete the local stack's data, secrets, certificates and logs
	@$(LOCAL) reset

demo: setup ## run the demonstration against the running stack
	@exec $(LOCAL) demo

test: servers-installed ## run all tests on servers of their own (ARGS='-k name' for some)
	@exec $(VENV)/pytest $(ARGS)

test-fast: servers-installed ## run all tests but those of the whole system
	@exec $(VENV)/pytest --ignore tests/system $(ARGS)

lint: setup ## check style, types, import rules, contracts, generated code and SQL
	$(VENV)/ruff check
	$(VENV)/ruff format --check
	@$(MAKE) types
	$(VENV)/lint-imports
	cd proto && ../$(VENV)/buf lint
	$(VENV)/python proto/generate.py --check
	@$(MAKE) sql

fmt: setup ## format the code and mend what can be mended
	$(VENV)/ruff check --fix
	$(VENV)/ruff format

types: setup ## check the types (mypy, strict)
	$(VENV)/mypy $(addprefix -p ,$(PACKAGES)) -p tests

sql: setup ## check the migrations
	$(VENV)/squawk $(MIGRATIONS)

proto: setup ## generate the Python code of the contracts again
	$(VENV)/python proto/generate.py

lock: setup ## lock the third-party packages again (requirements/dev.txt)
	.venv/bootstrap/bin/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-emit-index-url --no-header \
	  --group pyproject.toml:dev $(MEMBERS) $(addprefix --no-emit-package ,$(DISTRIBUTIONS)) -o requirements/dev.txt
