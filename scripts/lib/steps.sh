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

dependency_rules() {
	local deny
	deny=$(compgen -G "${XDG_CACHE_HOME:-$HOME/.cache}/roadstead/cargo-deny/*/cargo-deny" | sort -V | tail -n 1)
	if [[ -n $deny ]]; then
		"$deny" check bans licenses sources && advisories "$deny"
	else
		echo "cargo-deny is not set up ('make setup' brings it); only OpenSSL is looked for, and no advisory"
		! grep -E '^name = "(openssl|openssl-sys|native-tls)"$' Cargo.lock
	fi
}

# RustSec's database as it is today where it can be reached, else the dated copy.
advisories() { # CARGO-DENY
	local deny=$1 database copy
	database=target/advisories/advisory-db-3157b0e258782691 # cargo-deny's name for it, in the folder that deny.toml says
	if GIT_TERMINAL_PROMPT=0 timeout 20 git ls-remote --exit-code https://github.com/RustSec/advisory-db HEAD >/dev/null 2>&1; then
		[[ -e $database/.git/HEAD ]] || rm -rf "$database"
		"$deny" check advisories
		return
	fi
	copy=$(compgen -G "scripts/advisories/rustsec-*.tar.gz" | sort | tail -n 1)
	echo "the advisory database cannot be reached; the locked crates are looked up in $copy"
	rm -rf "$database"
	mkdir -p "$database/.git"
	touch "$database/.git/FETCH_HEAD" # else cargo-deny asks git how old it is
	tar -xzf "$copy" -C "$database"
	"$deny" --offline check advisories
}
