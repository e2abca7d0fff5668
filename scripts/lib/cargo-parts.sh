# Parts made with cargo. Sourced by setup.sh.

# No default features: none of them is needed for the checks that work without
# the internet, and they would bring a git and an HTTP client.
cargo_part() { # FOLDER NAME KIND VERSION CRATE
	local into=$1 name=$2 version=$4 crate=$5 target
	target=$(mktemp -d)
	trap "rm -rf '$target'" EXIT
	(
		cd "$target" # away from the checkout, whose settings are not the part's
		CARGO_TARGET_DIR=$target nice cargo install --locked --no-default-features --root "$target/root" "$crate@$version"
	)
	mv "$target/root/bin/$name" "$into/$name"
}

cargo_progress() {
	echo "$(count '^ *Downloaded ' "$part_log") crates downloaded, $(count '^ *Compiling ' "$part_log") compiled"
}
