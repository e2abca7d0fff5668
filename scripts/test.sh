#!/usr/bin/env bash
# All of it: what check.sh does, then the images, a real cluster, real clients. Needs root, for the cluster.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/steps.sh

if [ "$(id -u)" != 0 ]; then
	echo "the cluster tests make network namespaces and mounts: run them as root ('make check' needs no root)" >&2
	exit 1
fi

cluster=target/cluster/cluster
state=$PWD/target/cluster/test

step "set-up" scripts/setup.sh test
step "check" scripts/check.sh
# A filesystem of the tests' own takes root.
step "power cuts" cargo test --locked -p roadstead-registry --test durability -- --ignored
step "a bucket" cargo test --locked -p roadstead-registry --lib -- --ignored storage::s3
# What hostile servers send must stay in no containerd, old or new.
for containerd in "${XDG_CACHE_HOME:-$HOME/.cache}"/roadstead/{debian/*/usr/bin,containerd/*}/containerd; do
	step "canaries in $("$containerd" --version | cut -d' ' -f3)" \
		env ROADSTEAD_CONTAINERD="$containerd" cargo test --locked -p roadstead-agent --test real_containerd -- --ignored
done
step "images" make --no-print-directory images
step "cluster program" make --no-print-directory cluster

# What a killed run left is in the way of this one.
"$cluster" down --state "$state"
trap '"$cluster" down --state "$state" >/dev/null' EXIT
step "cluster up" "$cluster" up --nodes 2 --state "$state"
export ROADSTEAD_CLUSTER_STATE=$state
step "chart" "$cluster" run --state "$state" -- helm lint charts/roadstead

# Not a step: the runner's own closing lines come last.
echo "== tests on the cluster"
cargo test --locked -p roadstead-e2e --tests -- --nocapture
