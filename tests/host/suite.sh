#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# On the emulated host: every workload once in every paging mode. Each must be content with its own
# memory, agree with the hypervisor on what it flushed, and leave the same checksum in every mode;
# every VM exit must have exactly one cause, and the shadow must be what a fresh walk gives.
# Usage: suite.sh [WORKLOAD...]; ENGINE=kvm runs the same on KVM, rows to /out/rows.csv.
. tests/host/tap.sh

ENGINE=${ENGINE:-penumbra}
if [ $# = 0 ]; then
	set -- selftest "null_exit kind=cpuid" "null_exit kind=vmcall" "null_exit kind=out" \
		"pt_update share=0" "pt_update share=50" "pt_update share=100" \
		"pt_update share=50 flush=cr3" "phase size=512K updates=100 ops=2000" \
		"fault_in page=4k" "fault_in page=2m ops=32" fork_cow \
		"ctx_switch procs=2" "ctx_switch procs=16" "ctx_switch procs=4 pcid=1" \
		"ctx_switch procs=4 pcid=1 roots=1" "ctx_switch procs=8 roots=1" protect \
		"gups page=4k" "gups page=2m" "chase size=4M page=4k" "chase size=4M page=2m" mix
fi

# exits = the sum of its causes, the other exits_* counters but that of the host's exits
exits_add_up() {
	awk '$1 == "exits" { all = $2 } $1 ~ /^exits_/ && $1 != "exits_host" { sum += $2 }
		END { if (all == "" || all != sum) { print "# exits " all ", causes " sum; exit 1 } }' "$1"
}

workload() { # MODE WORKLOAD-AND-PARAMETERS
	build/runner --device "/dev/$ENGINE" --kernel build/suite.elf --mem 128 --timeout 100 \
		--append "workload=$2 $( [ "$2" = selftest ] || echo reps=1)" --stats --csv /out/rows.csv \
		--tag "engine=$ENGINE,mode=$1,host=emulated,clock=ticks" >/tmp/out 2>&1
}

mkdir -p /out
run_mode() {
	m=$1
	shift
	for w in "$@"; do
		if workload "$m" "$w"; then
			pass "$m: $w"
		elif [ $? = 2 ] && grep -q 'no PCID\|offers no\|needs PCID\|has no' /tmp/out; then
			pass "$m: $w # SKIP $(grep -m 1 'no PCID\|offers no\|needs PCID\|has no' /tmp/out)"
		else
			fail "$m: $w"
			sed 's/^/# /' /tmp/out | tail -n 8
		fi
		[ "$ENGINE" = kvm ] || exits_add_up /tmp/out || fail "$m: $w: exits add up"
	done
}

# What this CPU does not count is empty, and the runner says why: never a zero that nobody counted.
no_counters() {
	awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i ~ /^(walk_cycles_|tlb_flush_|guest_instr)/) col[i]; next }
		{ for (i in col) { seen++; if ($i != "") bad = bad " " $i } }
		END { print "# " seen " fields" bad; exit !seen || bad != "" }' /out/rows.csv &&
		build/runner --pmu list | grep '^none: '
}

if [ "$ENGINE" = kvm ]; then
	run_mode kvm "$@"
	check "the CPU has no PMU: its columns are empty" no_counters
	exit 0
fi
load paging_mode=shadow
all=$(modes)
check "the CPU can do some mode" [ -n "$all" ]
for m in $all; do
	mode "$m"
	run_mode "$m" "$@"
done

check "the CPU has no PMU: its columns are empty" no_counters

# The same params must have the same checksum in every mode.
awk -F, -v modes="$(echo "$all" | wc -w)" '
	NR == 1 { for (i = 1; i <= NF; i++) col[$i] = i; next }
	{ key = $col["workload"] " " $col["params"]; sum = $col["checksum"]
	  if (key in first && first[key] != sum) bad = bad "\n# " key ": " first[key] " and " sum
	  first[key] = sum; n[key]++ }
	END { for (key in n) if (n[key] % modes) bad = bad "\n# " key ": " n[key] " rows"
	      print (bad ? "not ok" : "ok") " - checksums are the same in all modes" bad }' /out/rows.csv
check "the module unloads" rmmod penumbra
