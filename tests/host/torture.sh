#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# On the emulated host: the paging mode flips at random while guests run, until it has flipped
# FLIPS times under each of the workloads together and under the access test. Nothing that a guest
# sees may change: its own checks hold and its checksums are those of an undisturbed run.
. tests/host/tap.sh

FLIPS=${FLIPS:-1000}
SEED=${SEED:-1}
# Short slices: whoever flips has to run for that, and Bochs holds interrupts back while a guest runs.
load paging_mode=shadow slice_us=1000
all=$(modes)
count=$(echo "$all" | wc -w)

# A generator of our own: the same flips in every run.
flip() {
	seed=$1 longest=${2:-3000}
	# shellcheck disable=SC2086 # one word a mode
	set -- $all
	while :; do
		seed=$(((seed * 1103515245 + 12345) & 0x7fffffff))
		eval "mode \$$((seed / 65536 % count + 1))"
		usleep $((seed / 1024 % longest))
	done
}

switches_of() {
	awk '$1 == "mode_switches" { print $2 }' "$1"
}

checksums() {
	sed -n 's/.*checksum=\([^ ]*\).*/\1/p' "$1" | sort -u
}

total=0
round=0
while [ "$total" -lt "$FLIPS" ] && [ "$round" -lt 12 ]; do
	round=$((round + 1))
	for w in "pt_update share=75 ops=1500" "fault_in ops=600" fork_cow "ctx_switch procs=8 pcid=1" \
		"ctx_switch procs=4 pcid=1 roots=1" "ctx_switch procs=4 roots=1" protect "gups ops=20000" \
		mix; do
		mode shadow
		if [ $round = 1 ]; then
			run --kernel build/suite.elf --mem 64 --append "workload=$w reps=1" >/tmp/still 2>&1 ||
				fail "$w: undisturbed"
			checksums /tmp/still >"/tmp/sum.$(echo "$w" | tr -c 'a-z0-9\n' _)"
		fi
		flip $((SEED * 104729 + round * 7919 + total)) &
		flipper=$!
		run --kernel build/suite.elf --mem 64 --timeout 100 --append "workload=$w reps=2" --stats \
			>/tmp/out 2>&1
		status=$?
		kill $flipper
		wait $flipper 2>/dev/null
		n=$(switches_of /tmp/out)
		total=$((total + ${n:-0}))
		checksums /tmp/out >/tmp/sum
		if [ $status != 0 ] || ! cmp -s /tmp/sum "/tmp/sum.$(echo "$w" | tr -c 'a-z0-9\n' _)"; then
			fail "$w: round $round, $n flips, status $status"
			grep -a runner: /tmp/out | sed 's/^/# /'
			dmesg | grep penumbra: | tail -n 2 | sed 's/^/# /'
		fi
	done
	echo "# round $round: $total flips"
done
check "the suite: $total flips between $count modes, at least $FLIPS" [ "$total" -ge "$FLIPS" ]

if [ -f build/access.elf ]; then
	flip 4711 3000 &
	flipper=$!
	run --kernel build/access.elf --mem 64 --timeout 200 --append "${ACCESS:-part=fast quiet}" --stats \
		>/tmp/out 2>&1
	status=$?
	kill $flipper
	n=$(switches_of /tmp/out)
	check "the access test: $n flips" [ $status = 0 ]
	[ $status = 0 ] || tail -n 12 /tmp/out | sed 's/^/# /'
fi
check "the module unloads" rmmod penumbra
