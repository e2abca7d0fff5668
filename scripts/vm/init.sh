#!/bin/bash
# The first process of the virtual machine: mounts and modules as systemd would have them, then the test.
export PATH=/usr/sbin:/usr/bin HOME=/root TERM=dumb
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs run /run
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
ln -sf /proc/self/fd /dev/fd
mount -t cgroup2 -o nosuid,nodev,noexec,relatime,nsdelegate,memory_recursiveprot cgroup2 /sys/fs/cgroup
mount --make-rshared /
busybox ip link set lo up
hostname vm
for module in overlay veth bridge br_netfilter nf_tables nft_chain_nat nft_ct nft_masq nft_nat nft_fib_inet nft_compat nf_conntrack nf_nat \
	iptable_nat xt_comment xt_conntrack xt_MASQUERADE xt_mark nft_numgen nft_reject_inet nft_redir nf_conntrack_netlink; do
	modprobe "$module"
done
cd /project
if bash scripts/vm/test.sh; then echo "vm: passed"; else echo "vm: FAILED"; fi
sync
mount -o remount,ro /
echo o >/proc/sysrq-trigger
sleep 60
