# What a long step is at. Sourced.

# Runs a command that prints nothing itself. Every ten seconds the line says for how long it has been at work and what PROGRESS
# prints: on a terminal in place, in a log on a line of its own. The status is the command's; call it with set +e.
speaking() { # LABEL PROGRESS COMMAND…
	local label=$1 progress=$2 started=$SECONDS status=0 ticker
	shift 2
	printf '%s' "$label"
	# In the background is who speaks, not the command: an interrupt would not reach it there.
	tick "$label" "$progress" "$started" 9>&- &
	ticker=$!
	# Not `|| status=$?`: bash ignores set -e in all that runs inside a condition.
	"$@"
	status=$?
	kill "$ticker" 2>/dev/null
	wait "$ticker" 2>/dev/null || true
	if [[ -t 1 ]]; then
		printf '\r\e[K%s' "$label"
	elif ((SECONDS - started >= 10)); then
		printf '\n%s' "$label"
	fi
	return "$status"
}

tick() { # LABEL PROGRESS STARTED
	local label=$1 progress=$2 started=$3 never line
	set +e
	# Nothing ever comes here: a `sleep` would outlive its caller, and hold what that has open.
	exec {never}<> <(:)
	while ! read -r -t 10 -u "$never" && kill -0 $$ 2>/dev/null; do
		line="${label%"${label##*[! ]}"}, $((SECONDS - started)) s: $("$progress" 2>/dev/null)"
		if [[ -t 1 ]]; then
			printf '\r\e[K%s' "${line:0:$(($(tput cols 2>/dev/null || echo 80) - 1))}"
		else
			printf '\n%s' "$line"
		fi
	done
}

# The last line of a log, without what is meant for a terminal.
last_line() { # FILE
	tail -c 2000 "$1" | tr '\r' '\n' | sed 's/\x1b\[[0-9;]*[A-Za-z]//g; s/^ *//' | grep -v '^ *$' | tail -n 1 | cut -c 1-120
}

count() { # PATTERN FILE
	grep -cE "$1" "$2" || true
}
