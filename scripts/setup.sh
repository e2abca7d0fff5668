#!/usr/bin/env bash
# Puts the parts that the test cluster, the demo and the tests need into a
# cache folder: builds the Go programs, unpacks the Debian packages.
#
#   scripts/setup.sh [demo|bench|test|soak]
#
# test, the default, is all but the virtual machine of the soak tests.
#
# Nothing on the machine changes but ${XDG_CACHE_HOME:-~/.cache}/roadstead and
# Go's own caches: nothing is installed or removed, no service, no port, no
# root. What is there already is not made again; the list of parts, with
# their versions, is e2e/cluster/parts.txt.
set -euo pipefail

wanted=${1:-test}
case $wanted in demo | bench | test | soak) ;; *)
	echo "usage: scripts/setup.sh [demo|bench|test|soak]" >&2
	exit 2
	;;
esac

root=$(cd "$(dirname "$0")/.." && pwd)
parts=$root/e2e/cluster/parts.txt
cache=${XDG_CACHE_HOME:-$HOME/.cache}/roadstead
log=$cache/log
. "$root/scripts/lib/machine.sh"
. "$root/scripts/lib/progress.sh"
. "$root/scripts/lib/go-parts.sh"
. "$root/scripts/lib/cargo-parts.sh"
. "$root/scripts/lib/debian-parts.sh"

wants() { # SET
	case $wanted in
	soak) true ;;
	test) [[ $1 != soak ]] ;;
	*) [[ $1 == "$wanted" ]] ;;
	esac
}

# A part is there when its folder is: it is renamed into place when whole.
missing_parts() {
	local name set kind version what
	while read -r name set kind version what; do
		[[ -z $name || $name == \#* ]] && continue
		wants "$set" || continue
		[[ -d $cache/$name/$version ]] || echo "$name $kind $version $what"
	done <"$parts"
}

make_part() { # COUNT NAME KIND VERSION WHAT...
	local count=$1 name=$2 kind=$3 version=$4 started=$SECONDS status=0
	shift
	local new=$cache/$name/.$version.new.$$
	rm -rf "$cache/$name/.$version.new."* # a set-up that was killed leaves one
	mkdir -p "$new"
	part_log=$log/$name.log part_folder=$new
	set +e
	speaking "$(printf '  %-10s %-9.9s (%s) ' "$name" "$version" "$count")" "${kind}_progress" logged "${kind}_part" "$new" "$@"
	status=$?
	set -e
	if ((status)); then
		echo "failed after $((SECONDS - started)) s; the end of $part_log says:"
		tail -n 15 "$part_log" | sed 's/^/    /'
		rm -rf "$new"
		exit 1
	fi
	mv -T "$new" "$cache/$name/$version"
	echo "$((SECONDS - started)) s"
}

# Not called as a condition: bash ignores set -e in all that runs inside one.
logged() { # COMMAND…
	(
		set -e
		"$@"
	) >"$part_log" 2>&1 </dev/null
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
	local done=0 all
	all=$(grep -c . <<<"$todo")
	while read -r name kind version what; do
		[[ -z $name ]] && continue
		done=$((done + 1))
		# shellcheck disable=SC2086 # WHAT is a list of words
		make_part "$done of $all" "$name" "$kind" "$version" $what
	done <<<"$todo"
	echo "set-up ($wanted): done in $SECONDS s"
}

main
