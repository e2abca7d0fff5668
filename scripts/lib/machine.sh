# What a set-up needs of the machine. Sourced by setup.sh.

have() { command -v "$1" >/dev/null 2>&1; }

# Prints one line per need; stops, with all that lacks, before anything is made.
show_needs() { # NAMES OF MISSING PARTS
	local lacking=() notes=() disk=10
	[[ $wanted == test || $wanted == soak ]] || disk=6

	echo "Roadstead's set-up makes these parts, once (all of them: about 18 minutes on two idle cores, 10 GB of disk with Go's caches):"
	echo "  $(echo "$1" | tr '\n' ' ')"
	echo "It needs:"
	if have go; then
		local version
		version=$(go env GOVERSION)
		version=${version#go}
		echo "  Go 1.26.7 or newer      $version"
		if [[ $(printf '1.26.7\n%s\n' "$version" | sort -V | head -n 1) != 1.26.7 ]]; then
			lacking+=("Go 1.26.7 or newer (this one is $version)")
		fi
	else
		lacking+=("Go 1.26.7 or newer (no 'go' on PATH)")
	fi
	if have cargo; then
		echo "  Rust (for make build)    $(cargo --version | cut -d' ' -f2)"
	else
		notes+=("Rust: no 'cargo' on PATH; 'make build' needs it")
	fi
	local tool
	for tool in apt-get dpkg-deb flock; do
		have "$tool" || lacking+=("$tool (parts come from packages of a Debian or Ubuntu machine)")
	done
	local free
	mkdir -p "$cache"
	free=$(df -Pk "$cache" | awk 'NR == 2 {print int($4 / 1048576)}')
	printf '  %-23s %s\n' "$disk GB of disk" "$free GB free"
	((free >= disk)) || lacking+=("$disk GB of disk for $cache (only $free GB free)")
	kernel_notes notes

	local line
	for line in "${notes[@]}"; do echo "  note: $line"; done
	if ((${#lacking[@]})); then
		echo "set-up cannot go on; this machine lacks:" >&2
		printf '  - %s\n' "${lacking[@]}" >&2
		exit 1
	fi
}

# Only the cluster needs these, and `cluster up` tries each for real; here is
# the early warning.
kernel_notes() { # NAME OF AN ARRAY
	local -n found=$1
	grep -qw overlay /proc/filesystems 2>/dev/null || [[ -d /lib/modules/$(uname -r) ]] ||
		found+=("kernel: no overlayfs; the cluster needs it")
	[[ -e /proc/self/ns/net && -e /proc/self/ns/pid ]] || found+=("kernel: no namespaces; the cluster needs them")
	[[ -d /sys/fs/cgroup/memory || -e /sys/fs/cgroup/cgroup.controllers ]] ||
		found+=("kernel: no cgroups at /sys/fs/cgroup; the cluster needs them")
	[[ -L /bin ]] || found+=("/bin is not a link into /usr; the cluster needs a merged /usr")
	[[ $(id -u) == 0 ]] || found+=("the cluster itself needs root ('make demo', 'make test'); set-up does not")
}
