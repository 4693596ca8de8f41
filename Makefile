.DEFAULT_GOAL := help
SEED ?= 1
KILLS ?= 300
CUTS ?= 40
SEEDS ?= 2000
.PHONY: help build test chaos run sim demo format lint verify state-machines bench-http bench-idle bench-job bench-events clean setup

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what is missing on this machine (Debian 12); quiet when nothing is
	@scripts/setup-machine

build: setup ## Build vastd and vast-sim
	@swift build

test: setup ## Run every test and every check
	@scripts/test

run: build ## Run vastd on 127.0.0.1:8080 (VAST_API_KEY names the account)
	@.build/debug/vastd serve

sim: build ## Run the simulator of Vast on 127.0.0.1:8090
	@mkdir -p .sim && .build/debug/vast-sim --listen 127.0.0.1:8090 --dir .sim

chaos: build ## Try to break the invariants: all of scripts/chaos but the planted bugs, KILLS (300), CUTS (40), SEEDS (2000), from SEED (1); 45 minutes
	@scripts/setup-machine --chaos
	@swift build -c release --product simulate && scripts/chaos seeds --seed $(SEED) --count $(SEEDS)
	@scripts/chaos points --seed $(SEED) && scripts/chaos kills --seed $(SEED) --kills $(KILLS)
	@scripts/chaos calls --seed $(SEED) && scripts/chaos clock --seed $(SEED) && scripts/chaos resources
	@scripts/chaos power --seed $(SEED) --cuts $(CUTS)

demo: setup ## Run one whole job against the simulator, step by step
	@scripts/demo

format: ## Format every Swift file
	@swift format --in-place --recursive --parallel Package.swift Sources Tests Benchmarks

lint: ## Tell what format would change
	@swift format lint --strict --recursive --parallel Package.swift Sources Tests Benchmarks

verify: setup ## Run the checks beside the tests: format, imports, generated files
	@scripts/verify && scripts/state-machines --check

state-machines: setup ## Draw docs/state-machines.md from the tables
	@scripts/state-machines

bench-http: ## Measure requests per second against a C program (about 4 minutes)
	@scripts/setup-machine --bench && scripts/bench-http

bench-idle: ## Measure memory, CPU and start of an idle vastd
	@scripts/setup-machine --bench && scripts/bench-idle

bench-events: ## Measure events from the store to a thousand listeners and a webhook
	@scripts/setup-machine && scripts/bench-events

bench-job: ## Measure the time line of one job against the simulator
	@scripts/setup-machine --bench && scripts/bench-job

clean: ## Remove what was built and what sim and demo left behind; data/ stays
	@swift package clean && rm -rf .build .sim .demo
