# One verb a target. `make help` lists them; every target sets up what it needs, once.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEPS := $(VENV)/.deps-installed
CORE := $(VENV)/.core-built
WHEEL := dist/.wheel-built
LOGS := target/logs
TEST_LOGS := $(addprefix $(LOGS)/,rust.log python.log served.log faults.log typescript.log go.log conformance.log gates.log)
TYPESCRIPT := sdk/typescript
TYPESCRIPT_DEPS := $(TYPESCRIPT)/node_modules/.installed
TYPESCRIPT_BUILT := $(TYPESCRIPT)/build/.built
RUNTIMES := target/runtimes
LOAD := target/release/hanzo-load
PEERS := target/peers/.installed
MUTANTS_TOOLS := target/mutants
COMPARISONS := singles batches batches-200-bytes consumers memory

RUST_SOURCES := $(shell find rust_core -name '*.rs' -o -name Cargo.toml) Cargo.toml Cargo.lock
PYTHON_SOURCES := $(shell find python spec -name '*.py' -o -name '*.pyi' -o -name '*.toml' -o -name '*.yaml')
TYPESCRIPT_SOURCES := $(shell cd $(TYPESCRIPT) && find src test conformance examples scripts *.json -type f | sed s,^,$(TYPESCRIPT)/,)
LOAD_SOURCES := $(shell find bench/load -name '*.rs' -o -name Cargo.toml) Cargo.lock

.PHONY: help setup run test lint test-rust test-python test-served test-faults test-typescript test-go conformance runtimes build wheel-test gates gates-renew example bench bench-peers backlog recovery disk faults crashes damage scale trim fuzz property schemathesis sim mutants docs format lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(CORE) $(TYPESCRIPT_DEPS) ## Set up the development environments of Python and TypeScript and build the Rust core
	@true

run: $(CORE) ## Start a server on its embedded nats-server (PORT, HANZO_API_KEYS and the other variables apply)
	$(BIN)/hanzo-queues serve

# Three lanes on two cores: two run servers and mostly wait, and what only computes fills the gaps, nicely, so that it delays
# nobody. The gates come last: one of them is a time.
test: ## Run every check and every test, and print the counts
	@$(MAKE) --no-print-directory --output-sync=target --jobs 3 striking serving computing
	@$(MAKE) --no-print-directory gates
	@echo "all checks: $$(scripts/count-tests $(TEST_LOGS)), wheel installed and served"
	@grep '^NOTICE' $(LOGS)/gates.log || true
	@scripts/count-tests $(TEST_LOGS)

.PHONY: striking serving computing
striking serving: setup $(TYPESCRIPT_BUILT)
computing: setup test-rust
striking serving computing:
	@for target in $($@); do $(NICELY) $(MAKE) --no-print-directory $$target; done

striking: striking := test-faults test-typescript wheel-test
serving: serving := test-served test-go conformance
computing: computing := lint test-python
computing: NICELY := nice

lint: $(CORE) $(TYPESCRIPT_DEPS) ## Check formatting, lints, types and import directions
	@scripts/rust-component fmt && cargo fmt --all --check || [ $$? = 77 ]
	@scripts/rust-component clippy && cargo clippy --workspace --all-targets --locked --quiet -- -D warnings || [ $$? = 77 ]
	$(BIN)/ruff check --no-cache .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd $(TYPESCRIPT) && npm run --silent lint
	cd sdk/go && gofmt -l . | { ! grep .; } && go vet ./...
	@cd sdk/go && if command -v staticcheck >/dev/null; then staticcheck ./...; else echo "staticcheck is not installed: Go is vetted without it"; fi

test-rust: ## Run the Rust tests; those of the extension are Python tests, so no Python is needed
	@mkdir -p $(LOGS)
	$(NICELY) cargo test --workspace --locked 2>&1 | tee $(LOGS)/rust.log

test-python: $(CORE) ## Run the Python tests that only compute: units, properties, tidiness
	@mkdir -p $(LOGS)
	$(BIN)/pytest tests/unit tests/property tests/tidy 2>&1 | tee $(LOGS)/python.log

test-served: $(CORE) ## Run the Python tests that run servers or nats-servers
	@mkdir -p $(LOGS)
	$(BIN)/pytest tests/contract tests/integration 2>&1 | tee $(LOGS)/served.log

test-faults: $(CORE) ## Run the tests that kill, freeze, fill and damage
	@mkdir -p $(LOGS)
	$(BIN)/pytest tests/faults 2>&1 | tee $(LOGS)/faults.log

test-typescript: $(CORE) $(TYPESCRIPT_BUILT) ## Run the tests of the TypeScript SDK
	@mkdir -p $(LOGS)
	cd $(TYPESCRIPT) && HANZO_PYTHON=$(abspath $(BIN)/python) npm test --silent 2>&1 | tee ../../$(LOGS)/typescript.log

conformance: $(CORE) $(TYPESCRIPT_BUILT) ## Run all vectors of spec/vectors in all SDKs against one server, and write the parity table
	@mkdir -p $(LOGS)
	$(BIN)/python -m tests.conformance 2>&1 | tee $(LOGS)/conformance.log

runtimes: $(CORE) $(TYPESCRIPT_BUILT) $(RUNTIMES)/.installed ## Run all vectors of the TypeScript SDK on Deno and on Bun
	PATH="$(abspath $(RUNTIMES))/node_modules/.bin:$$PATH" $(BIN)/python -m tests.conformance.runtimes

test-go: $(CORE) ## Run the tests of the Go SDK under the race detector, against a live server
	@mkdir -p $(LOGS)
	cd sdk/go && go test -race -count=1 -v ./... 2>&1 | tee $(abspath $(LOGS))/go.log | grep -vE '^( *---|===) (PASS|RUN|NAME|CONT)'

build: $(WHEEL) ## Build the wheel into dist/
	@ls dist/*.whl

wheel-test: $(WHEEL) ## Install the wheel alone into a fresh environment, serve, enqueue, receive, ack
	$(BIN)/python scripts/check_wheel.py dist/*.whl

gates: $(CORE) ## Count what messages cost, and fail when it is more than bench/baselines say (GATES_ARGS=--table prints all)
	@mkdir -p $(LOGS)
	@scripts/debian-tool valgrind "the gates of instructions"
	@scripts/debian-tool strace "the gates of fsyncs"
	$(BIN)/python -m bench.gates $(GATES_ARGS) 2>&1 | tee $(LOGS)/gates.log

gates-renew: $(CORE) ## Write what messages cost now into bench/baselines, and print what changed
	@scripts/debian-tool valgrind "the gates of instructions"
	@scripts/debian-tool strace "the gates of fsyncs"
	$(BIN)/python -m bench.gates --renew

example: $(CORE) ## Run the webhook example: real input, a killed consumer, a poison message
	$(BIN)/python -m examples.webhooks

bench: $(CORE) $(LOAD) ## Measure every figure and check the ledgers, with the peers that are there (BENCH_ARGS=--quick for a short run)
	$(BIN)/python -m bench $(BENCH_ARGS)
	$(BIN)/python -m bench.report
	$(BIN)/pytest bench --benchmark-only --benchmark-columns=median,iqr,rounds --benchmark-sort=name

bench-peers: $(CORE) $(LOAD) $(PEERS) ## Bring Redis, RabbitMQ, PostgreSQL, BullMQ and taskiq into target/peers, and measure side by side
	$(BIN)/python -m bench --only $(COMPARISONS) $(BENCH_ARGS)
	$(BIN)/python -m bench.report

backlog: $(CORE) $(LOAD) ## Queue ten million messages and receive them in order: rate and memory (14 GB of disk; BACKLOG_ARGS="--messages 1000000")
	$(BIN)/python -m bench.backlog --write $(BACKLOG_ARGS)
	$(BIN)/python -m bench.report

recovery: $(CORE) $(LOAD) ## Measure a start after kill -9 with a million queued, and what checkpoints cost (RECOVERY_ARGS="--messages 10000000")
	$(BIN)/python -m bench.recovery --write $(RECOVERY_ARGS)
	$(BIN)/python -m bench.report

disk: $(CORE) $(LOAD) ## Pass an hour's worth of messages beside two million delayed ones and watch the journal's bytes on disk
	$(BIN)/python -m bench.disk --write $(DISK_ARGS)
	$(BIN)/python -m bench.report

faults: $(CORE) ## Strike servers and nats-servers 1,000 times under load (FAULTS_KILLS=n), account for every message; 2,000 slow clients
	FAULTS_KILLS=$${FAULTS_KILLS:-1000} SLOW_CLIENTS=2000 $(BIN)/pytest -s --timeout 14400 \
		tests/faults/test_ledger.py tests/faults/test_slow_crowd.py

crashes: $(CORE) ## End server or store before, in and after every operation of a workload of 90 messages (CRASH_MESSAGES=30, of each of three)
	CRASH_MESSAGES=$${CRASH_MESSAGES:-30} $(BIN)/pytest -s --timeout 14400 tests/faults/test_every_crash_point.py

damage: $(CORE) ## Damage a nats-server's store in every known way (DAMAGE_CASES=10 of each, DAMAGE_SEED=n): right, or refused
	DAMAGE_CASES=$${DAMAGE_CASES:-10} $(BIN)/pytest -s --timeout 14400 tests/faults/test_damaged_store.py

scale: ## Hold ten million delayed messages, a million due in the same second; checkpoints of them; two million dead; a million behind limited keys
	SCALE_MESSAGES=10000000 DEAD_MESSAGES=2000000 cargo test --release --locked -p engine \
	  --test scale --test scale_checkpoints --test scale_dead -- --nocapture
	LIMITED_MESSAGES=1000000 cargo test --release --locked -p engine --lib what_limited_keys_hold_back

trim: $(CORE) ## Pass 400 MB through a journal whose nats-server is killed again and again; see its disk come back (TRIM_SEGMENT_MB=64)
	TRIM_SEGMENT_MB=$${TRIM_SEGMENT_MB:-64} $(BIN)/pytest -s --timeout 7200 tests/faults/test_trimmed_disk.py

property: $(CORE) ## Walk the server beside its plain model, and storm it, at random (PROPERTY_EXAMPLES=5000, STORM_COUNT=2000)
	seed=$${PROPERTY_SEED:-$$RANDOM$$RANDOM}; echo "PROPERTY_SEED=$$seed"; \
	PROPERTY_EXAMPLES=$${PROPERTY_EXAMPLES:-5000} STORM_COUNT=$${STORM_COUNT:-2000} STORM_FIRST=$${STORM_FIRST:-$$seed} \
	  $(BIN)/pytest --hypothesis-seed $$seed --timeout 14400 tests/property/test_broker_machine.py tests/property/test_storm.py

schemathesis: $(CORE) ## Send requests made of spec/openapi.yaml, valid and broken (SCHEMATHESIS_CASES=20000, SCHEMATHESIS_SEED=n)
	SCHEMATHESIS_CASES=$${SCHEMATHESIS_CASES:-20000} $(BIN)/pytest -s --timeout 14400 tests/contract/test_openapi_answers.py

fuzz: ## Fuzz every decoder (a nightly toolchain is needed; FUZZ_SECONDS=60 for each)
	scripts/fuzz $${FUZZ_SECONDS:-60}

sim: ## Simulate clusters from fresh seeds, held against a model (SIM_SECONDS=60; SEED=n repeats one, shrunk)
	cargo run --release --locked --quiet -p sim -- $(if $(SEED),--seed $(SEED),$${SIM_SECONDS:-60})

mutants: $(MUTANTS_TOOLS)/.installed ## Change the engine in 2,900 small ways and see that a test notices each: hours (MUTANTS="dedup verbs/ack")
	$(MUTANTS_TOOLS)/venv/bin/python -m scripts.mutants $(MUTANTS)

docs: $(CORE) ## Renew the reference pages and the parts of the SDKs made of spec/, and the pages and plots made of bench/results
	$(BIN)/python scripts/generate_reference.py
	$(BIN)/python scripts/generate_sdk.py
	$(BIN)/python -m bench.report

format: $(DEPS) ## Format the Rust and fix what ruff can fix
	cargo fmt --all
	$(BIN)/ruff check --no-cache --fix --quiet .

lock: $(DEPS) ## Renew requirements.lock from what the environment holds
	{ head -1 requirements.lock; $(BIN)/python -m pip freeze --all | grep -vE '^(-e |hanzo|setuptools)'; } > requirements.lock.new
	mv requirements.lock.new requirements.lock

clean: ## Remove everything that was built, .venv included
	rm -rf $(VENV) target dist $(TYPESCRIPT)/node_modules $(TYPESCRIPT)/build $(TYPESCRIPT)/dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks .import_linter_cache
	find python -name '*.so' -delete
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(DEPS): requirements.lock scripts/setup-venv
	scripts/setup-venv $(VENV) $(PYTHON)
	@touch $@

$(CORE): $(DEPS) $(RUST_SOURCES) pyproject.toml
	$(BIN)/maturin develop --release --locked --quiet
	@touch $@

$(TYPESCRIPT_DEPS): $(TYPESCRIPT)/package.json $(TYPESCRIPT)/package-lock.json
	cd $(TYPESCRIPT) && npm ci --silent
	@touch $@

$(TYPESCRIPT_BUILT): $(TYPESCRIPT_DEPS) $(TYPESCRIPT_SOURCES)
	cd $(TYPESCRIPT) && npm run --silent build
	@touch $@

$(RUNTIMES)/.installed: Makefile
	mkdir -p $(RUNTIMES)
	npm install --prefix $(RUNTIMES) --silent --no-audit --no-fund deno@2.9.6 bun@1.4.5
	@touch $@

$(WHEEL): $(CORE) $(PYTHON_SOURCES) README.md LICENSE
	rm -rf dist
	$(BIN)/maturin build --release --locked --quiet --out dist --interpreter $(BIN)/python
	@touch $@

$(LOAD): $(LOAD_SOURCES)
	cargo build --release --locked --quiet -p hanzo-load

$(MUTANTS_TOOLS)/.installed: scripts/setup-mutants scripts/mutants/requirements.txt
	scripts/setup-mutants $(MUTANTS_TOOLS) $(PYTHON)
	@touch $@

$(PEERS): scripts/setup-peers bench/peers/requirements.txt bench/peers/package-lock.json
	scripts/setup-peers target/peers $(PYTHON)
	@touch $@
