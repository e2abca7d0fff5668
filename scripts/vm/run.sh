#!/usr/bin/env bash
# The demo on a machine with cgroup v2, as every current distribution has, and a cluster in what is a container there:
# a virtual machine, emulated, so that it runs anywhere. Root, for mounts. What it prints is in target/vm/console.log.
#
#   ROADSTEAD_VM_CLOCK=N    the guest's clock goes at N times the real speed (0.1): emulation is slow, and so none of
#                           Kubernetes' time limits has to be raised for it
set -euo pipefail
cd "$(dirname "$0")/../.."

cache=${XDG_CACHE_HOME:-$HOME/.cache}/roadstead
work=$PWD/target/vm
part() { echo "$cache/$1/$(awk -v name="$1" '$1 == name {print $4}' e2e/cluster/parts.txt)"; }
vm=$(part vm)

if [ "$(uname -m)" != x86_64 ]; then
	echo "the virtual machine is known for x86_64 alone; not run here"
	exit
fi
# The programs of the parts need the libraries beside them: both are laid over /usr, in a mount namespace.
if [ -z "${ROADSTEAD_VM_PARTS:-}" ]; then
	exec env ROADSTEAD_VM_PARTS="$vm" unshare --mount bash "$0"
fi
mount -t overlay overlay /usr -o "lowerdir=$vm/usr:/usr"

rm -rf "$work" && mkdir -p "$work"
bash scripts/vm/initrd.sh "$vm" "$work"
bash scripts/vm/root.sh "$vm" "$work" "$(part debian)"
# mitigations=off and the plain CPU save a third of the time; a clock that the kernel distrusts costs much more.
status=0
timeout --foreground 2h env \
	LD_PRELOAD="$(echo "$vm"/usr/lib/*/faketime/libfaketimeMT.so.1)" FAKETIME="+0 x${ROADSTEAD_VM_CLOCK:-0.1}" \
	qemu-system-x86_64 -machine q35 -accel tcg,thread=multi,tb-size=2048 -cpu max,-la57,-smap,-smep,-pku -smp 2 -m 6G \
	-nic none -display none -monitor none -no-reboot -no-hpet \
	-drive "file=$work/root.img,if=virtio,format=raw,cache=unsafe" -kernel "$(echo "$vm"/boot/vmlinuz-*)" -initrd "$work/initrd.gz" \
	-append "console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable clocksource=tsc nokaslr no_timer_check" \
	-serial "file:$work/console.log" </dev/null || status=$?
rm -f "$work/root.img"
tr -d '\r' <"$work/console.log" | grep -a '^vm: ' || true
if ! tr -d '\r' <"$work/console.log" | grep -qax 'vm: passed'; then
	echo "the virtual machine (qemu's status $status) did not pass; the end of target/vm/console.log:" >&2
	tail -n 40 "$work/console.log" >&2
	exit 1
fi
