#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# On the emulated host with KVM: starts the virtual machine in which Penumbra then runs. What that
# machine says goes to standard output.
cd /nested || exit 1
[ "$(cat /sys/module/kvm_intel/parameters/nested)" = Y ] || {
	echo "Bail out! kvm_intel does not nest here"
	exit 1
}
# Below 512 MiB and a little Linux has no transparent huge pages, which the bare host has.
./qemu -machine microvm,accel=kvm,pit=on,pic=on,rtc=off -cpu host -m 768 -nodefaults -no-user-config \
	-display none -no-reboot -serial stdio -L /nested \
	-kernel vmlinuz -initrd initrd \
	-append "console=ttyS0 quiet nokaslr mitigations=off cryptomgr.notests clearcpuid=158,306 reboot=t transparent_hugepage=always panic=-1" </dev/null
echo "# the virtual machine ended with status $?"
dmesg | tail -n 20 | grep -i "kvm\|vmx" | sed 's/^/# /'
