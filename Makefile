# Everyday commands; `make help` lists them. Everything runs in .venv, made from the lock file.
PYTHON ?= python3
ENV ?= dev
# Of the local deployment: embedded or docker; unset, the one it was started on.
ifdef RUNTIME
export STRONGROOM_RUNTIME := $(RUNTIME)
endif
# Processes that share the test files: 0, this process alone. More than there are cores, because
# tests wait for servers for a quarter of their time.
WORKERS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) * 3 / 2)))
# Else each of the thousand processes that tests start would compile the project again.
unexport PYTHONDONTWRITEBYTECODE
# Exit code of pytest if ARGS selects no test of a pass.
NO_TEST := 5
BIN := .venv/bin
# The command runs the tests that share the cores, each file in one process.
TOGETHER = $(BIN)/python -m pytest -m "not nightly and not alone" -n $(WORKERS) --maxprocesses 4 \
	--dist loadfile --no-loadscope-reorder --durations 20
# pytest gets only the files with a marked test, because it would import all others only to leave them out.
ALONE = $(sort $(shell grep -rl --include='*.py' 'mark\.alone' tests))
STRONGROOM := $(BIN)/strongroom
# Backend of the local deployment; that on AWS has a folder of its own, and runs on moto.
ifeq ($(SECRETS_BACKEND),aws)
export SECRETS_BACKEND
LOCAL := --root .strongroom-aws
MOTO := .venv/peers
endif
RESOLVE := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --quiet \
	--no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command "make lock"
UV := $(RESOLVE) pyproject.toml app_integration/pyproject.toml --group store
# All but moto, which the group peers brings, because few need it.
EXTRAS := $(addprefix --extra ,audit aws config database local metrics page redis)
# Without celery, which needs a newer redis than others do; the suite runs on the oldest celery.
FLOOR_EXTRAS := $(addprefix --extra ,aws config database metrics redis)
FLOORS := .venv/floors
# Not those of pydantic-settings: pydantic 2.12 and older cannot unpickle an error with a hidden text.
FLOOR_TESTS := $(addprefix tests/unit/,config/test_loader.py config/test_watcher.py database hvac_adapter \
	integrations/orm integrations/test_django_cache.py $(addprefix integrations/test_sqlalchemy_,columns.py loaded_rows.py new_rows.py \
	plaintext.py) observability/test_metrics.py rendering session/test_session.py transport/test_request.py) \
	$(addprefix tests/integration/test_,database_asyncio.py database_rotation.py encrypted_columns_on_postgres.py \
	generated_keys.py generated_keys_sqlalchemy.py redis_users.py)
GROUPS := --group build --group lint --group test

# unit: the processes of pytest, while they run tests of tests/unit; all: those and all their children, always.
ifdef MEASURE
export MEASURE
export COVERAGE_PROCESS_START := $(CURDIR)/pyproject.toml
export COVERAGE_FILE := $(CURDIR)/.coverage/data
FORGET = rm -rf .coverage && mkdir .coverage
endif

.PHONY: help vault-up vault-status vault-down vault-reset monitoring-up monitoring-down plan apply store test test-unit coverage coverage-table histories bench bench-quick fuzz lint site pictures format nightly floors mutants wheel lock clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 16

.venv: requirements/lock.txt pyproject.toml app_integration/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is older than Python 3.11; name a newer one: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
		{ echo "$(PYTHON) has no venv module; on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $@
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/lock.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		-e ./app_integration -e .
	@$(BIN)/python -c 'from pathlib import Path; from vault.declare.schema import json_schema as schema; \
		[Path("vault/declare/schema", schema.file_name(kind)).write_text(schema.render(kind)) for kind in schema.MODELS]'
	@touch $@

vault-up: .venv $(MOTO) ## Start the local deployment and apply to it; RUNTIME=docker: in containers
	@$(STRONGROOM) up $(LOCAL)

vault-status: .venv ## Tell what runs
	@$(STRONGROOM) status $(LOCAL)

vault-down: .venv ## Stop the local deployment; its data stays (in containers and on AWS it goes)
	@$(STRONGROOM) down $(LOCAL)

vault-reset: .venv ## Erase the local deployment, after asking
	@$(STRONGROOM) reset $(LOCAL)

monitoring-up: .venv ## Run Prometheus and Alertmanager beside the local deployment
	@$(STRONGROOM) monitoring up

monitoring-down: .venv ## Stop them; their data stays
	@$(STRONGROOM) monitoring down

plan: .venv ## Show what apply would change: make plan ENV=dev
	@$(STRONGROOM) plan --env $(ENV); status=$$?; test $$status -eq 0 -o $$status -eq 2

apply: .venv ## Make the server what the declaration says: make apply ENV=dev
	@$(STRONGROOM) apply --env $(ENV)

store: .venv $(MOTO) ## Run the example store on the local deployment; SECRETS_BACKEND=aws: on moto
	@$(if $(LOCAL),$(STRONGROOM) up $(LOCAL))
	@$(STRONGROOM) store $(LOCAL)

# Beside what the local deployment needs: see the group "peers" in pyproject.toml.
.venv/peers: .venv requirements/peers.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/peers.txt
	@touch $@

test: .venv/peers ## Run the whole suite
	@$(FORGET)
	$(TOGETHER) $(ARGS) || test $$? -eq $(NO_TEST)
	$(BIN)/python -m pytest -m "alone and not nightly" $(or $(ARGS),$(ALONE)) || test $$? -eq $(NO_TEST)

test-unit: .venv/peers ## Run the tests that start no server
	@$(FORGET)
	$(TOGETHER) tests/unit $(ARGS)

coverage: ## Run the whole suite, and measure which branches it reaches, in commands too
	$(MAKE) test MEASURE=all
	$(MAKE) coverage-table

coverage-table: .venv/peers ## Show what the last tests with MEASURE=unit have reached
	@$(BIN)/python -m tests.support.coverage_table

histories: .venv/peers ## Judge random calls of the SDK while the server fails, for many seeds
	$(BIN)/python -m pytest -m "nightly or not nightly" tests/histories $(ARGS)

bench: .venv/peers ## Measure what everything costs, each against a floor and a peer
	$(BIN)/python -m benchmarks.sdk $(ARGS)
	$(BIN)/python -m benchmarks.cold_start
	$(BIN)/python -m benchmarks.commands
	$(BIN)/python -m benchmarks.contention
	$(BIN)/python -m benchmarks.index
	$(BIN)/python -m benchmarks.search
	$(BIN)/python -m benchmarks.encryption
	$(BIN)/python -m benchmarks.aws
	$(BIN)/python -m benchmarks.files
	$(BIN)/python -m benchmarks.logs
	$(BIN)/python -m benchmarks.audit
	$(BIN)/python -m benchmarks.backfill
	$(BIN)/python -m benchmarks.orm
	$(BIN)/python -m benchmarks.django_orm
	$(BIN)/python -m benchmarks.guard
	$(BIN)/python -m benchmarks.live_queries
	$(BIN)/python -m benchmarks.plan $(ARGS)
	$(BIN)/python -m benchmarks.policies

bench-quick: .venv/peers ## The ratios in short; fails when one is 25 % worse than committed
	$(BIN)/python -m benchmarks.quick $(ARGS)

fuzz: .venv/peers ## Hand the decoders whatever Hypothesis can think of
	$(BIN)/python -m pytest -m nightly tests/nightly/test_fuzz_tokens.py -k "opens or taken" $(ARGS)

lint: .venv/peers ## Check style, types and who imports whom
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy

site: .venv/peers ## Build the documents as a site, into site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet && echo site/index.html

# In no other target, because each run has new times and names, and the reader of the diff must look at it.
pictures: .venv/peers ## Draw the pictures of the documents, from a real run on the default ports
	$(BIN)/python -m tests.support.pictures

format: .venv ## Rewrite the code in the house style
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

nightly: .venv ## Run what takes longer than make test allows
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/nightly.txt
	$(BIN)/python -m pytest -m nightly $(ARGS)
	$(MAKE) floors
	$(BIN)/python -m pytest -m "not nightly" --count 5 tests/e2e/test_store_end_to_end.py tests/integration/test_agent_delivery.py

# Of the tests, those of the code that uses what the SDK depends on. The overlay is found before .venv.
floors: .venv/peers ## Run tests of the SDK on the oldest versions that it takes
	$(BIN)/python -m venv --clear --without-pip $(FLOORS)
	$(BIN)/python -m pip --python $(FLOORS)/bin/python install --quiet --disable-pip-version-check \
		--require-hashes -r requirements/floors.txt
	$(BIN)/python -c 'import site, sys; print(f"import site; site.addsitedir({site.getsitepackages()[0]!r})")' \
		> $$(echo $(FLOORS)/lib/python*/site-packages)/suite.pth
	$(FLOORS)/bin/python -m pytest -m "not nightly" $(or $(ARGS),$(FLOOR_TESTS))

mutants: .venv ## Change the pure cores one thing at a time: do their tests notice?
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/nightly.txt
	$(BIN)/python -m tests.support.mutants

# From a copy, because a build writes into its sources.
wheel: .venv ## Build the tool as one wheel, and the SDK alone, from what git has staged, into dist/
	@copy=$$(mktemp -d) && trap 'rm -rf "$$copy"' EXIT && git checkout-index --all --prefix="$$copy/" && \
		printf %s "$$(git rev-parse --short=7 HEAD)$$(git diff --cached --quiet || echo ', changed')" \
			> "$$copy/console/commit" && \
		$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		--wheel-dir dist "$$copy" "$$copy/app_integration"
	@ls dist/*.whl

lock: .venv ## Resolve the dependencies anew
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(UV) $(EXTRAS) $(GROUPS) -o requirements/lock.txt
	$(UV) --group image -c requirements/lock.txt -o local/docker/requirements.txt
	$(UV) --all-extras $(GROUPS) --group peers --group docs -c requirements/lock.txt -o requirements/peers.txt
	$(UV) --all-extras $(GROUPS) --group peers --group docs --group nightly -c requirements/lock.txt -o requirements/nightly.txt
	$(RESOLVE) app_integration/pyproject.toml $(FLOOR_EXTRAS) --resolution lowest-direct --upgrade -o requirements/floors.txt

clean: ## Remove what can be made again (not .strongroom)
	rm -rf .venv .coverage .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build dist site *.egg-info
