# The first process of a sandbox: makes the room as sandbox.rs describes it, and stays as long as that wants.
"$DEBIAN/usr/bin/busybox" ip link set lo up
"$DEBIAN/usr/bin/busybox" ip address add "$ADDRESS/32" dev lo

mkdir "$FOLDER/scratch" "$FOLDER/lib" "$FOLDER/tmp"
mount -t tmpfs tmpfs "$FOLDER/scratch"
over() { # TARGET LOWER
	mkdir "$FOLDER/scratch$1" "$FOLDER/scratch$1.work"
	mount -t overlay overlay -o "lowerdir=$2,upperdir=$FOLDER/scratch$1,workdir=$FOLDER/scratch$1.work" "$1"
}
over /usr "$CLIENTS/usr:$DEBIAN/usr:/usr"
over /etc "$CLIENTS/etc:/etc"
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /opt
# Not in memory: images lie here.
mount --bind "$FOLDER/lib" /var/lib

# Works on every file system.
cat >/etc/containers/storage.conf <<-CONF
	[storage]
	driver = "vfs"
	runroot = "/run/containers/storage"
	graphroot = "/var/lib/containers/storage"
CONF

rm -f /etc/hosts /etc/resolv.conf
echo "127.0.0.1 localhost
$ADDRESS $NAME" >/etc/hosts
touch /etc/resolv.conf

echo ready
exec cat >/dev/null
