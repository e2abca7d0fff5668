#!/usr/bin/env bash
# Puts the parts that the test cluster, the demo and the tests need into a
# cache folder: builds the Go programs, unpacks the Debian packages.
#
#   scripts/setup.sh [demo|bench|test]      (test, the default, is all of it)
#
# Nothing on the machine changes but ${XDG_CACHE_HOME:-~/.cache}/roadstead and
# Go's own caches: nothing is installed or removed, no service, no port, no
# root. What is there already is not made again; the list of parts, with
# their versions, is e2e/cluster/parts.txt.
set -euo pipefail

wanted=${1:-test}
case $wanted in demo | bench | test) ;; *)
	echo "usage: scripts/setup.sh [demo|bench|test]" >&2
	exit 2
	;;
esac

root=$(cd "$(dirname "$0")/.." && pwd)
parts=$root/e2e/cluster/parts.txt
cache=${XDG_CACHE_HOME:-$HOME/.cache}/roadstead
log=$cache/log
. "$root/scripts/lib/machine.sh"
. "$root/scripts/lib/go-parts.sh"
. "$root/scripts/lib/cargo-parts.sh"
. "$root/scripts/lib/debian-parts.sh"

# A part is there when its folder is: it is renamed into place when whole.
missing_parts() {
	local name set kind version what
	while read -r name set kind version what; do
		[[ -z $name || $name == \#* ]] && continue
		[[ $wanted == test || $wanted == "$set" ]] || continue
		[[ -d $cache/$name/$version ]] || echo "$name $kind $version $what"
	done <"$parts"
}

make_part() { # NAME KIND VERSION WHAT...
	local name=$1 kind=$2 version=$3 started=$SECONDS
	local new=$cache/$name/.$version.new.$$
	rm -rf "$cache/$name/.$version.new."* # a set-up that was killed leaves one
	mkdir -p "$new"
	printf '  %-10s %-9s ' "$name" "$version"
	# Not `if ! …_part`: bash ignores set -e in all that runs inside a condition.
	local status=0
	set +e
	(
		set -e
		"${kind}_part" "$new" "$@"
	) >"$log/$name.log" 2>&1
	status=$?
	set -e
	if ((status)); then
		echo "failed after $((SECONDS - started)) s; the end of $log/$name.log says:"
		tail -n 15 "$log/$name.log" | sed 's/^/    /'
		rm -rf "$new"
		exit 1
	fi
	mv -T "$new" "$cache/$name/$version"
	echo "$((SECONDS - started)) s"
}

main() {
	local todo
	todo=$(missing_parts)
	if [[ -z $todo ]]; then
		echo "set-up ($wanted): every part is in $cache"
		return
	fi
	mkdir -p "$log"
	# Two set-ups at once would build the same parts twice; the second waits.
	exec 9>"$cache/lock"
	flock --nonblock 9 || {
		echo "set-up ($wanted): another one is at work (or what it started still is); waiting for it"
		flock 9
	}
	todo=$(missing_parts)
	show_needs "$(echo "$todo" | awk '{print $1}')"
	echo "set-up ($wanted) into $cache:"
	while read -r name kind version what; do
		[[ -z $name ]] && continue
		# shellcheck disable=SC2086 # WHAT is a list of words
		make_part "$name" "$kind" "$version" $what </dev/null
	done <<<"$todo"
	echo "set-up ($wanted): done in $SECONDS s"
}

main
