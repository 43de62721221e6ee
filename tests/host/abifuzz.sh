#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# On the emulated host: the ABI's fuzzer alone, CALLS calls of THREADS threads from SEED on, and then
# beside a guest that must notice nothing. LOUD=1: what the module says of each VM that it stops is
# shown, too (half of the time, on a serial console).
. tests/host/tap.sh

# neighbour COMMAND...: runs a guest again and again until COMMAND ends; each must end well.
neighbour() {
	"$@" &
	fuzzer=$!
	n=0
	while kill -0 $fuzzer 2>/dev/null; do
		for w in "pt_update share=50 ops=100" "fault_in ops=100" "protect ops=2" selftest; do
			n=$((n + 1))
			run --kernel build/suite.elf --mem 64 --timeout 300 --append "workload=$w" >/tmp/out 2>&1 &&
				continue
			fail "the guest beside it, run $n: $w"
			tail -n 5 /tmp/out | sed 's/^/# /'
		done
	done
	wait $fuzzer
	check "a guest beside it ended well, $n times" [ $n -gt 0 ]
}

load paging_mode=shadow
[ -n "${LOUD:-}" ] || dmesg -n 4
fuzz="build/tests/abifuzz --threads ${THREADS:-3}"
# shellcheck disable=SC2086 # words
$fuzz --seed "${SEED:-1}" --calls "${CALLS:-4000}" ${FUZZ:-}
# shellcheck disable=SC2086
neighbour $fuzz --beside --seed $((${SEED:-1} + 1)) --calls $((${CALLS:-4000} / 4))
check "the module unloads" rmmod penumbra
