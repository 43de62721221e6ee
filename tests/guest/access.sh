#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# On the emulated host: the guest access test in every paging mode that this CPU has, one TAP line
# per mode and part. ENGINE=kvm runs it on KVM; PART and MODES restrict it.
# Usage: access.sh [WORD OF THE GUEST'S COMMAND LINE...]
. tests/host/tap.sh

ENGINE=${ENGINE:-penumbra}

# access MODE WORDS: the parts that ran are lines "access: part NAME: ... N failures ..."
access() {
	m=$1
	shift
	timeout -s KILL 220 build/runner --device "/dev/$ENGINE" --kernel build/access.elf --mem 64 \
		--timeout 200 --append "$* quiet" >/tmp/out 2>&1
	status=$?
	sed -n 's/^access: part \([a-z]*\): \(.*, 0 failures\), .*/ok - '"$m"': \1: \2/p
		s/^access: part \([a-z]*\): \(.*failures\), .*/not ok - '"$m"': \1: \2/p' /tmp/out
	if [ $status = 0 ]; then
		tail -n 1 /tmp/out | sed 's/^access:/# '"$m"':/'
		return
	fi
	grep -q '^access: part .* [1-9][0-9]* failures' /tmp/out ||
		fail "$m: the guest ends with status $status"
	grep -v '^access: part ' /tmp/out | head -n 90 | sed 's/^/# /'
}

if [ "$ENGINE" = kvm ]; then
	access kvm "$@"
	exit 0
fi
load paging_mode=shadow
for m in ${MODES:-$(modes)}; do
	mode "$m"
	access "$m" "$@"
done
# Few shadow pages, which come and go; small pages below the guest; no tags in the TLB.
set_parameter() {
	echo "$2" >"$PARAMETERS/$1"
}
set_parameter shadow_budget 43
for m in shadow ssp hybrid; do
	mode $m
	access "$m with 43 shadow pages" part=cases
done
set_parameter shadow_budget 16384
set_parameter direct_faults 1
mode shadow
access "shadow with direct faults" part=fast
set_parameter direct_faults 0
set_parameter split_exec 1
for m in shadow ept; do
	mode $m
	access "$m, no code through large entries" part=fast
done
set_parameter split_exec 0
set_parameter vpid 0
mode shadow
access "shadow without VPID" part=cases map=4k
if mode ept 2>/dev/null; then
	set_parameter ept_max_page 4K
	access "ept with 4 KiB pages, without VPID" part=cases
fi
check "the module unloads" rmmod penumbra
