#!/usr/bin/env bash
# The tests that live on chance, at full size. Each prints its seed and its figures. Root, for a filesystem of its own.
#
#   ROADSTEAD_SEED=N            the same chances again
#   ROADSTEAD_KILLS=N           how often the server is killed           (1000)
#   ROADSTEAD_CRASH_STATES=N    how many states of a power cut are tried (20000)
#   ROADSTEAD_OMISSIONS=N       how many rows of the table of what is left out are tried (1000: all)
#   ROADSTEAD_TURNS=N           how often this program and the previous one take turns (60)
#   ROADSTEAD_SOAK_ROUNDS=N     how often registry:2, registry:3 and ours take turns on a volume (300)
#   ROADSTEAD_SEQUENCES=N       how often installs and uninstalls are mixed on a cluster (20)
#   ROADSTEAD_VM_CLOCK=N        how fast the clock of the virtual machine goes (0.1)
#   ROADSTEAD_FUZZ_SECONDS=N    how long each target is fuzzed           (60)
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/steps.sh

export ROADSTEAD_KILLS=${ROADSTEAD_KILLS:-1000}
export ROADSTEAD_CRASH_STATES=${ROADSTEAD_CRASH_STATES:-20000}
export ROADSTEAD_OMISSIONS=${ROADSTEAD_OMISSIONS:-1000}
export ROADSTEAD_TURNS=${ROADSTEAD_TURNS:-60}
export ROADSTEAD_SOAK_ROUNDS=${ROADSTEAD_SOAK_ROUNDS:-300}
export ROADSTEAD_SEQUENCES=${ROADSTEAD_SEQUENCES:-20}

durability() { # ARGUMENTS OF THE TEST PROGRAM…
	cargo test --locked -p roadstead-registry --test durability -- --nocapture "$@"
}

# The program whose volumes, and uploads on their way, this one has to take over.
previous=a30ad928646dca061907dee6b7f87a0ab694768b
build_previous() {
	local source=target/previous/source
	if ! git cat-file -e "$previous^{commit}" 2>/dev/null; then
		echo "skipped: this clone lacks commit $previous ('git fetch --unshallow' brings it); two of this program take turns"
		return
	fi
	mkdir -p "$source" &&
		git archive "$previous" | tar -x -C "$source" &&
		cargo build --locked --manifest-path "$source/Cargo.toml" --target-dir target/previous -p roadstead-registry || return
	export ROADSTEAD_PREVIOUS=$PWD/target/previous/debug/roadstead-registry
}

on_a_cluster() { # COMMAND…
	local cluster=target/cluster/cluster
	export ROADSTEAD_CLUSTER_STATE=$PWD/target/cluster/soak
	"$cluster" down --state "$ROADSTEAD_CLUSTER_STATE"
	"$cluster" up --nodes 2 --state "$ROADSTEAD_CLUSTER_STATE"
	"$@"
	"$cluster" down --state "$ROADSTEAD_CLUSTER_STATE"
}

step "kills ($ROADSTEAD_KILLS)" durability kill::
step "power cuts ($ROADSTEAD_CRASH_STATES)" durability --ignored power_cut::
step "flushes and renames left out" durability --ignored omissions::
step "the previous program" build_previous
step "turns of two versions ($ROADSTEAD_TURNS)" durability turns::
step "set-up" scripts/setup.sh soak
step "images" make --no-print-directory images
step "cluster program" make --no-print-directory cluster
step "turns of three registries ($ROADSTEAD_SOAK_ROUNDS)" \
	cargo test --locked -p roadstead-e2e --test registry random_turns -- --nocapture
step "large images through Traefik and Caddy" cargo test --locked -p roadstead-e2e --test registry large_images_go_through -- --ignored --nocapture
step "more versions of clients" cargo test --locked -p roadstead-e2e --test registry more_versions_pull -- --ignored --nocapture
step "installs and uninstalls ($ROADSTEAD_SEQUENCES)" on_a_cluster cargo test --locked -p roadstead-e2e --test uninstall -- --nocapture
step "a machine with cgroup v2, and a container on it" scripts/vm/run.sh
step "fuzzing" scripts/fuzz.sh
