#!/bin/bash
# In the virtual machine: the demo on its cgroup v2, then a cluster in a container. Lines that begin with `vm:` are the report.
set -uo pipefail

cluster=target/cluster/cluster
say() { echo "vm: $*"; }

# What a cluster changes of the tree and is to leave as it was.
cgroups() {
	echo "passed on: $(cat /sys/fs/cgroup/cgroup.subtree_control)"
	find /sys/fs/cgroup -mindepth 1 -type d
}

explain() {
	local log
	for log in target/cluster/state/log/{cluster,node1,node1-containerd,node1-kubelet}.log; do
		echo "the end of $log:"
		tail -n 15 "$log" | cut -c 1-600
	done
	find /sys/fs/cgroup -maxdepth 2 -name cgroup.subtree_control | while read -r file; do echo "$file: $(cat "$file")"; done
}

# Does as it is told, and leaves no trace in the cgroups.
leaving_nothing() { # NAME COMMAND…
	local name=$1 before after started=$SECONDS
	shift
	before=$(cgroups)
	if ! "$@"; then
		say "$name: FAILED"
		explain
		return 1
	fi
	"$cluster" down || return 1
	after=$(cgroups)
	if [ "$before" != "$after" ]; then
		say "$name: FAILED: the cgroups were not left as they were"
		printf 'before:\n%s\nafter:\n%s\n' "$before" "$after"
		return 1
	fi
	say "$name: passed in $((SECONDS - started)) s of the guest's time"
}

demo() {
	scripts/demo.sh
}

pod_with_limits() {
	"$cluster" up --nodes 1 || return 1
	"$cluster" kubectl apply -f - <<-POD || return 1
		apiVersion: v1
		kind: Pod
		metadata: {name: probe, namespace: default}
		spec:
		  terminationGracePeriodSeconds: 0
		  containers:
		    - name: probe
		      image: localhost/roadstead-test/busybox:1
		      command: [sleep, "3600"]
		      resources: {limits: {cpu: 500m, memory: 64Mi}}
	POD
	"$cluster" kubectl wait pod/probe --for=condition=Ready --timeout=2m || return 1
	[ "$("$cluster" kubectl exec probe -- cat /sys/fs/cgroup/memory.max)" = $((64 << 20)) ]
}

# A container of docker or podman: --privileged, a root of layers, this checkout and the cache on volumes, a cgroup
# namespace whose root has processes. None of them is from outside its process-id namespace.
container() {
	mkdir -p /sys/fs/cgroup/box /mnt/layers /mnt/box
	echo "+cpu +cpuset +io +memory +hugetlb +pids" >/sys/fs/cgroup/cgroup.subtree_control
	export -f say cgroups explain leaving_nothing pod_with_limits inside_container
	export cluster
	unshare --mount --pid --fork --kill-child bash -c '
		echo 0 >/sys/fs/cgroup/box/cgroup.procs
		exec unshare --cgroup bash -c inside_container'
}

inside_container() {
	local folder status=0
	mount -t tmpfs layers /mnt/layers && mkdir /mnt/layers/{upper,work}
	mount -t overlay overlay /mnt/box -o lowerdir=/,upperdir=/mnt/layers/upper,workdir=/mnt/layers/work
	for folder in dev sys run project root/.cache; do mount --rbind "/$folder" "/mnt/box/$folder"; done
	mkdir -p /mnt/box/old
	cd /mnt/box && pivot_root . old && cd /project
	mount -t proc proc /proc
	umount -l /old
	umount /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup
	mount --make-rshared /
	touch /.dockerenv
	sleep 3600 &
	say "in a container: $(cat /proc/self/cgroup), $(wc -l </sys/fs/cgroup/cgroup.procs) processes in its root"
	leaving_nothing "a cluster in a container" pod_with_limits || status=1
	if ! grep -qx $$ /sys/fs/cgroup/cgroup.procs || ! grep -qx $! /sys/fs/cgroup/cgroup.procs; then
		say "the container's processes are not in its root again"
		status=1
	fi
	kill %1
	return "$status"
}

leaving_nothing "the demo" demo && container
