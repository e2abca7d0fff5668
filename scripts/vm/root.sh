#!/usr/bin/env bash
# Makes WORK/root.img: a small machine with this one's programs and libraries, the kernel's modules, the parts of the
# cache that a cluster needs, and the checkout.
#
#   root.sh PARTS WORK DEBIAN       PARTS are the virtual machine's, DEBIAN is the cluster's part of that name
set -euo pipefail
vm=$1 work=$2 debian=$3 cache=$(dirname "$(dirname "$3")") root=$2/root

programs="bash sh ls cat cp mv rm mkdir rmdir mknod ln base64 tail head sed grep awk sort date dirname basename id tr cut wc env
	sleep timeout find xargs df du stat touch tee uname hostname mount umount true false echo printf seq modprobe readlink
	realpath nsenter unshare chmod chown tar od uniq flock pivot_root sync"

# The file of the machine at its own place, where no folder of the way is a link.
copy() { # FILE
	local into
	into=$(readlink -f "$(dirname "$1")")
	[[ -e $root$into/$(basename "$1") ]] && return
	mkdir -p "$root$into"
	cp -aL "$1" "$root$into/"
}

libraries_of() { # FILE…
	{ ldd "$@" 2>/dev/null || true; } | sed -nE 's#^\s+(.*=> )?(/[^ ]+) \(0x.*#\2#p' | sort -u
}

mkdir -p "$root"/{usr/{bin,sbin,lib,lib64},etc,proc,sys,dev,run,tmp,root/.cache/roadstead,var/{tmp,lib,log},opt,home,mnt,project/target/cluster}
for folder in bin sbin lib lib64; do ln -s "usr/$folder" "$root/$folder"; done
for file in passwd group shadow nsswitch.conf ld.so.conf ld.so.conf.d protocols services os-release alternatives ssl; do
	if [[ -e /etc/$file ]]; then cp -a "/etc/$file" "$root/etc/"; fi
done
echo "127.0.0.1 localhost" >"$root/etc/hosts"
for program in $programs; do
	path=$(type -P "$program") || { echo "root.sh: this machine has no $program" >&2; exit 1; }
	copy "$path"
	libraries_of "$path" | while read -r library; do copy "$library"; done
done
copy "$vm/usr/bin/busybox" && mv "$root$vm/usr/bin/busybox" "$root/usr/bin/busybox"
for library in /usr/lib/x86_64-linux-gnu/{libnss_files,libnss_dns,libresolv,libgcc_s}.so*; do copy "$library"; done

# What the parts lack because the machine that unpacked them has it.
LD_LIBRARY_PATH=$debian/usr/lib/x86_64-linux-gnu libraries_of $(find "$debian/usr" -type f \( -perm -100 -o -name '*.so*' \)) |
	{ grep -v "^$debian" || true; } | while read -r library; do copy "$library"; done
for part in kube pause debian coredns helm crane; do cp -a "$cache/$part" "$root/root/.cache/roadstead/"; done

modules=$(echo "$vm"/usr/lib/modules/*)
mkdir -p "$root/usr/lib/modules"
cp -a "$modules" "$root/usr/lib/modules/"
(cd "$root/usr/lib/modules/$(basename "$modules")/kernel" &&
	rm -rf sound arch drivers/{gpu,media,infiniband,iio,staging,scsi,usb,hid,input,platform,nvme,mmc,mtd,bluetooth} drivers/net/{wireless,ethernet})
depmod -b "$root" "$(basename "$modules")"

cp -a charts crds examples scripts e2e/cluster/parts.txt "$root/project/"
mkdir -p "$root/project/e2e/cluster" && mv "$root/project/parts.txt" "$root/project/e2e/cluster/"
cp -a target/cluster/cluster "$root/project/target/cluster/"
cp -a target/images "$root/project/target/"
cp scripts/vm/init.sh "$root/init.sh"
# All is built: the demo's recipes have nothing to do.
printf '#!/bin/sh\n' >"$root/usr/bin/make"
chmod 755 "$root/init.sh" "$root/usr/bin/make"
ldconfig -r "$root"
truncate -s 8G "$work/root.img"
mke2fs -q -F -t ext4 -d "$root" "$work/root.img" 8G
rm -rf "$root"
