#!/usr/bin/env bash
# The whole of Roadstead on a real Kubernetes, on this machine alone: install the chart, make a Registry, push an
# image with a stock client, and have a pod on each node pull it over verified TLS with a password.
# The cluster stays up afterwards, to look around in.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/progress.sh

cluster=target/cluster/cluster
logs=target/demo
host=images.registry.svc:5000
step_number=0
steps=9

# Runs one step with its output in a file: a person sees its name and its time, and the output where it failed. One that takes
# longer says what it is at: the last line of that file.
step() { # NAME COMMAND…
	local name=$1 started=$SECONDS status=0
	shift
	step_number=$((step_number + 1))
	step_log=$logs/$step_number.log
	set +e
	speaking "$(printf '[%d/%d] %-58s ' "$step_number" "$steps" "$name")" "${progress:-last_step_line}" logged "$@"
	status=$?
	set -e
	if ((status)); then
		echo "FAILED after $((SECONDS - started)) s"
		explain "$step_log" "$@"
		exit 1
	fi
	echo "$((SECONDS - started)) s"
}

logged() { # COMMAND…
	(
		set -e
		"$@"
	) >"$step_log" 2>&1 </dev/null
}

last_step_line() {
	last_line "$step_log"
}

crates() {
	echo "$(count '^ *Compiling ' "$step_log") crates; $(last_step_line)"
}

# Prints what changes of some objects while a command that prints nothing waits for them.
watching() { # KUBECTL-GET-ARGUMENTS COMMAND…
	local arguments=$1 watcher status=0
	shift
	# shellcheck disable=SC2086 # a list of words
	timeout 10m "$cluster" kubectl get $arguments --watch &
	watcher=$!
	"$@" || status=$?
	kill "$watcher" 2>/dev/null || true
	return "$status"
}

# What a person needs to see of a failure: the end of the step's own output, then what the cluster says.
explain() { # LOG COMMAND…
	local log=$1
	shift
	{
		echo
		echo "The step '$*' failed. The end of $log:"
		tail -n 25 "$log" | sed 's/^/    /'
		if [ "$step_number" -gt 4 ] && "$cluster" kubectl version >/dev/null 2>&1; then
			echo "Registries, pods, and the latest Events:"
			"$cluster" kubectl get registries,pods -A -o wide 2>&1 | sed 's/^/    /'
			"$cluster" kubectl get events -A --sort-by=.lastTimestamp 2>&1 | tail -n 15 | sed 's/^/    /'
			echo "The operator's log:"
			"$cluster" kubectl -n roadstead-system logs deployment/roadstead-operator --tail=15 2>&1 | sed 's/^/    /'
		fi
		echo "All output is in $logs; the cluster's logs are in target/cluster/state/log. Run 'make demo' to try again."
	} >&2
}

set_up() {
	scripts/setup.sh demo
	make --no-print-directory cluster
}

start_cluster() {
	"$cluster" down
	"$cluster" up --nodes 2
}

load_images() {
	"$cluster" load target/images/registry.tar target/images/operator.tar target/images/agent.tar
}

install() {
	watching "pods --all-namespaces" "$cluster" run -- helm install roadstead charts/roadstead \
		--namespace roadstead-system --create-namespace --wait --timeout 2m
}

make_registry() {
	"$cluster" kubectl apply -f examples/registry.yaml
	await Ready
}

await_trust() {
	await NodesTrusted
}

await() { # CONDITION
	watching "registries --namespace registry" "$cluster" kubectl -n registry wait registry/images --for=condition="$1" --timeout=2m
}

# The commands that the summary prints, and nothing else.
push_commands() {
	cat <<-EOF
		kubectl -n registry get configmap images-ca -o jsonpath='{.data.ca\.crt}' > $logs/ca.crt
		kubectl -n registry get secret images-push -o jsonpath='{.data.password}' | base64 -d |
		    crane auth login $host --username roadstead-push --password-stdin
		SSL_CERT_FILE=$logs/ca.crt crane push $(demo_image) $host/hello:1
	EOF
}

demo_image() {
	echo target/cluster/state/busybox.tar
}

push() {
	# The password goes into a configuration of the demo's own, not into yours.
	DOCKER_CONFIG=$PWD/$logs/docker "$cluster" run -- bash -euo pipefail -c "$(push_commands)"
}

pull_on_every_node() {
	"$cluster" kubectl apply -f examples/hello.yaml
	watching "pods --namespace registry" "$cluster" kubectl -n registry rollout status deployment/hello --timeout=2m
}

summary() {
	echo
	echo "Roadstead runs on a Kubernetes of two nodes. These pods pulled $host/hello:1, over verified TLS:"
	echo
	"$cluster" kubectl get registries -A | sed 's/^/    /'
	echo
	"$cluster" kubectl -n registry get pods -l app=hello -o custom-columns=POD:.metadata.name,NODE:.spec.nodeName,STATUS:.status.phase,IMAGE:.spec.containers[0].image | sed 's/^/    /'
	echo
	echo "The image came in by these commands, typed in '$cluster run -- bash':"
	echo
	push_commands | sed 's/^/    /'
	cat <<-EOF

		Look around:      $cluster kubectl get pods,registries,trustbundles,nodetrusts -A
		A node's files:   $cluster node node1 -- ls -R /etc/containerd/certs.d
		A shell inside:   $cluster run -- bash          (kubectl, helm and crane are on its PATH)
		Take it down:     $cluster down
	EOF
}

if [ "$(id -u)" != 0 ]; then
	echo "the demo makes network namespaces and mounts for its cluster: run it as root, for example with 'sudo make demo'" >&2
	exit 1
fi
rm -rf "$logs" && mkdir -p "$logs"
started=$SECONDS
echo "Roadstead's demo. The first time it builds a Kubernetes and Roadstead itself: up to 20 minutes on two cores."
step "set-up: a Kubernetes, helm and a client" set_up
progress=crates step "build the registry, the operator and the agent" make --no-print-directory images
step "start a cluster of two nodes" start_cluster
step "load the three images into the nodes" load_images
step "helm install roadstead" install
step "kubectl apply a Registry, wait until it is Ready" make_registry
step "wait until both nodes trust it" await_trust
step "push an image with crane" push
step "a pod on each node pulls it" pull_on_every_node
summary
echo
echo "Done in $((SECONDS - started)) s."
