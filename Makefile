# What a developer runs, and what continuous integration runs. `make help` lists it.
.DEFAULT_GOAL := help
.PHONY: help setup programs demo test loaders lint check bench chaos lock
PYTHON_ANY := $(firstword $(shell command -v $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11 2>/dev/null) python3)
BIN := .venv/bin
TEMPLATES := labq/web/templates
SCRIPTS := deploy/images deploy/setup-venv deploy/system-programs
COMPILE := UV_CUSTOM_COMPILE_COMMAND='make lock' build/lock/bin/uv pip compile --quiet --upgrade \
	--universal --python-version 3.11 --generate-hashes --extra embedded
export PATH := $(PATH):$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/labq/system/bin

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 20

setup: ## Make .venv with everything; .venv/bin/labq exists afterwards
	@$(PYTHON_ANY) deploy/setup-venv

programs: setup ## Fetch emulators, kernels and servers into the cache, build images
	@$(PYTHON_ANY) deploy/system-programs
	@$(BIN)/python deploy/images

demo: programs ## Boot a real Linux on a virtual device, run tests, show what came out
	@$(BIN)/labq demo

test: programs ## Run the whole test suite (ARGS= is given to pytest)
	@$(PYTHON_ANY) deploy/system-programs chromium curl faketime systemd
	@$(BIN)/python -m pytest --numprocesses 3 $(ARGS)

loaders: programs ## Boot by U-Boot, iPXE and GRUB over the network, as root (takes minutes)
	@$(PYTHON_ANY) deploy/system-programs grub-efi mkimage
	@$(BIN)/python deploy/images
	@LABQ_SLOW_BOOTS=1 $(BIN)/python -m pytest tests/integration/test_network_loaders.py $(ARGS)

lint: setup ## Check style, spelling and templates
	@$(BIN)/ruff check .
	@$(BIN)/ruff check --ignore T201,PLW1510 $(SCRIPTS)
	@$(BIN)/ruff format --check . $(SCRIPTS)
	@$(BIN)/codespell labq tests docs deploy README.md Makefile
	@if [ -d $(TEMPLATES) ]; then $(BIN)/djlint --quiet --lint $(TEMPLATES); fi

check: lint ## Check style, types, layers, dead code, dependencies and revisions of the schema
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/vulture
	@$(BIN)/deptry labq
	@$(BIN)/labq db lint

bench: programs ## Measure (ONLY=name measures one figure)
	@$(BIN)/python -m tests.benchmarks $(ONLY)

chaos: programs ## Break running parts and check that nothing is lost (FAULTS= SEED= BREAK=)
	@$(PYTHON_ANY) deploy/system-programs nft faketime
	@$(BIN)/python -m tests.chaos $(if $(FAULTS),--faults $(FAULTS)) $(if $(SEED),--seed $(SEED)) \
		$(if $(BREAK),--break $(BREAK)) $(ARGS)

lock: ## Pin the newest fitting versions of all dependencies
	@python3 -m venv build/lock && build/lock/bin/pip install --quiet uv
	$(COMPILE) --output-file requirements.lock pyproject.toml
	$(COMPILE) --group dev --output-file requirements-dev.lock pyproject.toml
