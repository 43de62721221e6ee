#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The first and only program of the virtual machine that is the host under nested virtualisation:
# Penumbra's module and the short matrix, rows to the console. Then the machine ends.
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t debugfs debugfs /sys/kernel/debug
exec >/dev/ttyS0 2>&1 </dev/null
dmesg -n 1
cd /penumbra || reboot -f
if insmod build/penumbra.ko; then
	echo "@host $(HOST=nested bench/run --print-host 2>/dev/null)"
	echo "@why $(HOST=nested bench/run --print-host 2>&1 >/dev/null)"
	HOST_KIND=nested CLOCK=tsc CONF=tests/nested/matrix.conf MEM=64 PMU=off HUGEPAGES=thp REPS=1 ORDER=listed bench/matrix
	echo "@matrix $?"
	rmmod penumbra && echo "@unloaded"
fi
dmesg | sed -n 's/^/@kernel /p' | grep 'penumbra\|WARNING\|BUG\|vmwrite\|VM-Instruction\|unchecked'
echo "@end"
reboot -f
