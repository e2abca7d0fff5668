#!/usr/bin/env bash
# Makes WORK/initrd.gz: the few modules that the root disk takes, and a shell script that mounts it.
#
#   initrd.sh PARTS WORK
set -euo pipefail
vm=$1 work=$2 tree=$2/initrd
version=$(basename "$vm"/usr/lib/modules/*)

mkdir -p "$tree"/{bin,dev,proc,new,modules}
cp "$vm/usr/bin/busybox" "$tree/bin/busybox"
ln -s busybox "$tree/bin/sh"
depmod -b "$vm/usr" "$version"
for module in virtio_pci virtio_blk ext4; do
	modprobe -d "$vm/usr" -S "$version" --show-depends "$module"
done | awk '$1 == "insmod" && !seen[$2]++ {print $2}' | while read -r file; do
	cp "$file" "$tree/modules/"
	basename "$file" >>"$tree/modules/order"
done
cat >"$tree/init" <<-'INIT'
	#!/bin/sh
	busybox() { /bin/busybox "$@"; }
	busybox mount -t proc proc /proc
	busybox mount -t devtmpfs dev /dev
	for module in $(busybox cat /modules/order); do busybox insmod /modules/$module; done
	busybox mount -t ext4 -o rw,noatime /dev/vda /new
	busybox umount /proc
	busybox mount --move /dev /new/dev
	exec /bin/busybox switch_root /new /init.sh
INIT
chmod 755 "$tree/init"
(cd "$tree" && find . | cpio --quiet -o -H newc | gzip -1) >"$work/initrd.gz"
