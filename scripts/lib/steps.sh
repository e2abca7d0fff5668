# Steps of a script, each with its name and its time. Sourced.

step() { # NAME COMMAND…
	local name=$1 started=$SECONDS
	shift
	echo "== $name"
	"$@" || {
		echo "== $name: FAILED after $((SECONDS - started)) s: $*" >&2
		exit 1
	}
	echo "== $name: $((SECONDS - started)) s"
}

# The advisory database needs the internet; the rest of cargo-deny does not.
dependency_rules() {
	local deny
	deny=$(compgen -G "${XDG_CACHE_HOME:-$HOME/.cache}/roadstead/cargo-deny/*/cargo-deny" | sort -V | tail -n 1)
	if [[ -n $deny ]]; then
		"$deny" check bans licenses sources
	else
		echo "cargo-deny is not set up ('make setup' brings it); only OpenSSL is looked for"
		! grep -E '^name = "(openssl|openssl-sys|native-tls)"$' Cargo.lock
	fi
}
