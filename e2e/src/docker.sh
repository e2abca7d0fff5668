# What a DockerHost does in its namespaces before a test's script runs in them.
# Given: FOLDER, CGROUP, PROGRAMS, ARCHIVE, IMAGE.
cd "$FOLDER"
name=$(cat name)
mkdir -p data exec home scratch
export HOME=$FOLDER/home

mount -t overlay overlay /usr -o "lowerdir=$PROGRAMS:/usr"
mount --bind opt /opt
mount -t tmpfs tmpfs scratch
mkdir scratch/upper scratch/work
mount -t overlay overlay /etc -o "lowerdir=$FOLDER/etc:/etc,upperdir=$FOLDER/scratch/upper,workdir=$FOLDER/scratch/work"
mount -t tmpfs tmpfs /run
hostname "$name"
echo "127.0.0.1 localhost $name" >/etc/hosts
busybox ip link set lo up

await() { # COMMAND…: until it succeeds
	local try
	for try in $(seq 200); do
		"$@" >/dev/null 2>&1 && return
		sleep .1
	done
	"$@"
}

dockerd --storage-driver vfs --data-root "$FOLDER/data" --exec-root "$FOLDER/exec" --cgroup-parent "/$CGROUP" \
	--pidfile "$FOLDER/docker.pid" -H unix:///run/docker.sock >dockerd.log 2>&1 &
daemon=$!
ended() {
	local status=$?
	if ((status)); then
		tail -n 20 dockerd.log
		docker ps --all --quiet | xargs --no-run-if-empty --max-args 1 docker logs || true
	fi
	docker ps --all --quiet | xargs --no-run-if-empty docker rm --force --volumes >/dev/null || true
	kill "$daemon" && wait "$daemon" || true
	exit "$status"
}
trap ended EXIT
await docker version
docker load --quiet --input "$ARCHIVE"
. ./script
