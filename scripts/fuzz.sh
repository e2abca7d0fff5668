#!/usr/bin/env bash
# Runs every fuzz target for ROADSTEAD_FUZZ_SECONDS (60), on a stable toolchain: the coverage that libFuzzer steers by comes
# from LLVM's own pass, and no sanitizer is needed where there is no unsafe code. What it finds stays in target/fuzz.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${ROADSTEAD_FUZZ_SECONDS:-60}
seed=${ROADSTEAD_SEED:-$RANDOM$RANDOM}
host=$(rustc -vV | sed -n 's/^host: //p')
out=$PWD/target/fuzz
coverage="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
	-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"

# With --target the flags do not reach build scripts, which could not be linked with them.
RUSTFLAGS=$(echo $coverage) cargo build --locked --release --manifest-path fuzz/Cargo.toml --target "$host" --target-dir "$out"
for target in fuzz/corpus/*; do
	name=$(basename "$target")
	mkdir -p "$out/corpus/$name"
	"$out/$host/release/$name" -seed="$seed" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="$out/$name-" "$out/corpus/$name" "$target" >"$out/$name.log" 2>&1 || {
		tail -n 40 "$out/$name.log" >&2
		echo "fuzzing $name found something: $out/$name-*" >&2
		exit 1
	}
	units=$(sed -n 's/^stat::number_of_executed_units: *//p' "$out/$name.log")
	echo "fuzzed $name for $seconds s (seed $seed): $units inputs, $(find "$out/corpus/$name" -type f | wc -l) kept, of this and earlier runs, for the paths they found"
done
