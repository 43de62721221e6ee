#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# On an emulated host whose kernel runs kmemleak: is memory left that nobody points to, after lives of
# all modes, whole ones and failed ones, and after the module itself has gone?
. tests/host/tap.sh

kmemleak=/sys/kernel/debug/kmemleak

# Twice, with time between: what is on its way to RCU is no leak.
scan() {
	echo scan >$kmemleak
	sleep 6
	echo scan >$kmemleak
}

# Those that name a function of the module, and those that came with it.
leaks() {
	scan
	cat $kmemleak >/tmp/leaks
	sed 's/^/# /' /tmp/leaks | head -n 60
	! grep -q 'penumbra\|unreferenced' /tmp/leaks
}

# The machine's agent has scanned once: what the kernel itself lost while it booted does not count.
check "kmemleak runs" sh -c "echo scan >$kmemleak"

load paging_mode=ept
for f in failslab fail_page_alloc; do
	echo 0 >/sys/kernel/debug/$f/verbose
	echo N >/sys/kernel/debug/$f/ignore-gfp-wait
done
echo 0 >/sys/kernel/debug/fail_usercopy/verbose
for m in ${MODES:-$(modes)}; do
	mode "$m"
	build/tests/stress whole 2
	build/tests/stress nth "${STEP:-5}" || fail "$m: failures"
	build/tests/stress kill 5
	check "$m: every pin came back" [ "$(pins)" = 0 ]
done
build/tests/ioctls >/tmp/out || fail "ioctls: $(grep '^not ok' /tmp/out)"
check "VMs leave nothing behind" leaks
check "the module unloads" rmmod penumbra
check "the module leaves nothing behind" leaks
