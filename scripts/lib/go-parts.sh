# Parts made with Go. Sourced by setup.sh.
#
# All are static (CGO_ENABLED=0): they run in a node, and pause in an empty
# image, without a library of the machine. Low priority: the machine is in use.

module_part() { # FOLDER NAME KIND VERSION SOURCE
	local into=$1 name=$2 version=$4 source=$root/e2e/cluster/$5
	(
		cd "$source"
		CGO_ENABLED=0 nice go build -buildvcs=false -trimpath -ldflags "-s -w $(link_flags "$name" "$version")" -o "$into/$name" .
	)
	[[ $name != kube ]] || link_kubernetes "$into"
}

go_part() { # FOLDER NAME KIND VERSION PACKAGE...
	local into=$1 version=$4 package
	shift 4
	for package in "$@"; do
		GOBIN=$into CGO_ENABLED=0 nice go install -trimpath -ldflags "-s -w" "$package@$version"
	done
}

# Kubernetes learns its own version from the linker; without it the API server
# says v0.0.0, and charts with a kubeVersion refuse it.
link_flags() { # NAME VERSION
	[[ $1 == kube ]] || return 0
	local package major minor
	IFS=. read -r major minor _ <<<"$2"
	for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
		printf -- '-X %s.gitVersion=v%s -X %s.gitMajor=%s -X %s.gitMinor=%s ' \
			"$package" "$2" "$package" "$major" "$package" "$minor"
		printf -- '-X %s.gitTreeState=clean -X %s.gitCommit=unknown -X %s.buildDate=1970-01-01T00:00:00Z ' \
			"$package" "$package" "$package"
	done
}

link_kubernetes() { # FOLDER
	local program
	for program in kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl; do
		ln -sf kube "$1/$program"
	done
}
