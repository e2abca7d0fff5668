#!/usr/bin/env bash
# Everything that needs neither root nor a cluster: format, lints, docs, unit tests, tests in one process.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/steps.sh

# Rust that the cluster tests alone use is linted here and run by scripts/test.sh.
step "format (rustfmt)" cargo fmt --all --check
step "format (gofmt)" test -z "$(gofmt -l e2e/cluster)"
step "lints (clippy)" cargo clippy --locked --workspace --all-targets -- -D warnings
step "lints (go vet)" go vet -C e2e/cluster ./...
step "docs" env RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items
step "dependencies" dependency_rules
# The fuzz targets are a workspace of their own, which only `make soak` builds.
step "lock file of the fuzz targets" cargo tree --locked --quiet --depth 0 --manifest-path fuzz/Cargo.toml
step "tests of the cluster program" go test -C e2e/cluster ./...
step "tests" cargo test --locked --workspace --exclude roadstead-e2e
