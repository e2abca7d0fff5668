# Roadstead's recipes. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

HOST := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
CACHE := $(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME),$(HOME)/.cache)/roadstead
PROGRAMS := roadstead-registry roadstead-operator roadstead-agent
CLUSTER := target/cluster/cluster

# The released programs are static, so that they run in an empty root. With --target the flag reaches them alone,
# not the build scripts and procedural macros, which cannot be linked so. Packed relocations save a tenth of each.
STATIC := RUSTFLAGS="$(RUSTFLAGS) -C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs"

.PHONY: help
help: ## List the recipes
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.PHONY: setup
setup: ## Bring what the cluster, the demo and the tests need, into ~/.cache/roadstead (idempotent)
	@scripts/setup.sh test

.PHONY: build
build: ## Build the three programs, static, into target/release
	$(STATIC) cargo build --locked --release --target $(HOST) $(PROGRAMS:%=-p %)
	@mkdir -p target/release
	@for program in $(PROGRAMS); do cp -u "target/$(HOST)/release/$$program" "target/release/$$program"; done

.PHONY: images
images: build ## Pack the programs into target/images/*.tar, without docker and without pulling anything
	@scripts/images.sh

.PHONY: cluster
cluster: ## Build the embedded Kubernetes cluster's program, target/cluster/cluster
	@mkdir -p target/cluster
	CGO_ENABLED=0 go build -C e2e/cluster -buildvcs=false -trimpath -o "$(CURDIR)/$(CLUSTER)" .

.PHONY: demo
demo: ## Show it all on an embedded cluster: install, Registry, push, pods on every node pull
	@scripts/demo.sh

.PHONY: crds
crds: ## Regenerate crds/ and the chart's copy from the types in operator/api
	cargo run --locked -q -p roadstead-operator -- crds --output crds
	@mkdir -p charts/roadstead/files/crds && cp crds/*.yaml charts/roadstead/files/crds/

.PHONY: golden
golden: ## Make the golden files anew: the rendered chart, and the table of what a push and a pull cost
	ROADSTEAD_UPDATE_GOLDEN=1 cargo test --locked -q -p roadstead-e2e --test chart
	ROADSTEAD_UPDATE_GOLDEN=1 cargo test --locked -q -p roadstead-registry --test durability costs
	ROADSTEAD_UPDATE_GOLDEN=1 cargo test --locked -q -p roadstead-registry --test allocations

.PHONY: check
check: ## Format, lints, docs and the tests that need neither root nor a cluster
	@scripts/check.sh

.PHONY: test
test: ## Everything: check, then real clients and a real cluster (root)
	@scripts/test.sh

.PHONY: bench
bench: build ## Measure the registry beside docker-registry and nginx, into docs/benchmarks.md (ARGS="--only push": just that, printed)
	@scripts/setup.sh bench
	$(STATIC) cargo build --locked --release --target $(HOST) -p roadstead-e2e --bin roadstead-bench
	target/$(HOST)/release/roadstead-bench $(or $(ARGS),--write docs/benchmarks.md)

.PHONY: soak
soak: ## The tests that live on chance at full size: kills, power cuts, fuzzing (root, hours)
	@scripts/soak.sh

.PHONY: clean
clean: ## Take a running demo cluster down and remove target/
	@if [ -x $(CLUSTER) ] && [ -d target/cluster/state ]; then $(CLUSTER) down; fi
	rm -rf target
