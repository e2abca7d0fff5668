# Parts made with Go. Sourced by setup.sh.
#
# All are static (CGO_ENABLED=0): they run in a node, and pause in an empty
# image, without a library of the machine. Low priority: the machine is in use.

module_part() { # FOLDER NAME KIND VERSION SOURCE
	local into=$1 name=$2 version=$4 source=$root/e2e/cluster/$5 out=$1/$2 programs=.
	# A folder that holds only a go.mod is about the programs which that names as tools.
	[[ -e $source/main.go ]] || out=$into/ programs=tool
	(
		cd "$source"
		CGO_ENABLED=0 nice go build -v -buildvcs=false -trimpath -ldflags "-s -w $(link_flags "$name" "$version")" -o "$out" "$programs"
	)
	[[ $name != kube ]] || link_kubernetes "$into"
}

go_part() { # FOLDER NAME KIND VERSION PACKAGE...
	local into=$1 version=$4 package
	shift 4
	for package in "$@"; do
		GOBIN=$into CGO_ENABLED=0 nice go install -v -trimpath -ldflags "-s -w" "$package@$version"
	done
}

# With -v go names each package that it builds, and each module that it downloads always.
module_progress() {
	echo "$(count '^go: downloading' "$part_log") modules downloaded, $(count '^[^ ]+$' "$part_log") packages built"
}

go_progress() { module_progress; }

# Programs learn their own version from the linker.
link_flags() { # NAME VERSION
	case $1 in
	kube) link_flags_kubernetes "$2" ;;
	docker) echo "-X github.com/moby/moby/v2/dockerversion.Version=$2 -X github.com/docker/cli/cli/version.Version=$2" ;;
	docker-28) echo "-X github.com/docker/docker/dockerversion.Version=$2" ;;
	esac
}

# Without it the API server says v0.0.0, and charts with a kubeVersion refuse it.
link_flags_kubernetes() { # VERSION
	local package major minor
	IFS=. read -r major minor _ <<<"$1"
	for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
		printf -- '-X %s.gitVersion=v%s -X %s.gitMajor=%s -X %s.gitMinor=%s ' \
			"$package" "$1" "$package" "$major" "$package" "$minor"
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
