#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# On the emulated host: bad parameters, bad images, bad guests, bad programs. Each is refused or
# stopped with a sentence, costs at most its own VM, and leaves nothing behind.
. tests/host/tap.sh

# refused NAME STATUS WORDS COMMAND...: ends with that status, and says these words
refused() {
	name=$1 want=$2 words=$3
	shift 3
	dmesg -c >/dev/null
	"$@" >/tmp/out 2>&1
	status=$?
	dmesg >>/tmp/out
	if [ $status = "$want" ] && { [ -z "$words" ] || grep -qi -- "$words" /tmp/out; }; then
		pass "$name"
	else
		fail "$name (status $status, not $want, or not '$words')"
		tail -n 6 /tmp/out | sed 's/^/# /'
	fi
}

set_parameter() {
	echo "$2" >"$PARAMETERS/$1"
}

echo "# the module's parameters"
refused "a parameter at load" 22 "accepted are" insmod "$MODULE" paging_mode=nested
load paging_mode=ept
old=$(cat "$PARAMETERS/paging_mode")
refused "unknown paging_mode" 1 "accepted are: shadow" set_parameter paging_mode magic
check "the old mode is kept" [ "$(cat "$PARAMETERS/paging_mode")" = "$old" ]
refused "shadow_budget too small" 1 "accepted are: 43 to" set_parameter shadow_budget 42
refused "shadow_budget not a number" 1 "accepted are" set_parameter shadow_budget lots
refused "ept_max_page" 1 "accepted are: 4K" set_parameter ept_max_page 3M
refused "vpid" 1 "accepted are: 0 1" set_parameter vpid maybe
refused "pmu" 1 "accepted are: 0 1" set_parameter pmu maybe
refused "hybrid_threshold" 1 "accepted are" set_parameter hybrid_threshold 99999999
refused "slice_us" 1 "accepted are: 100 to 1000000 microseconds" set_parameter slice_us 99
refused "hybrid_quiet" 1 "accepted are" set_parameter hybrid_quiet -1

echo "# images"
head -c 5000 build/suite.elf >/tmp/short.elf
head -c 64 /dev/zero >/tmp/zero.elf
printf '\177ELF\001\001\001' >/tmp/elf32.elf
head -c 100 /dev/zero >>/tmp/elf32.elf
refused "no such image" 125 "no such" run --kernel /tmp/nowhere --append workload=list
refused "truncated image" 125 "truncated\|beyond\|short" run --kernel /tmp/short.elf
refused "not an ELF image" 125 "elf" run --kernel /tmp/zero.elf
refused "32-bit image" 125 "64" run --kernel /tmp/elf32.elf
refused "guest RAM too small for the image" 125 "give --mem" run --kernel build/suite.elf --mem 8
refused "no guest RAM" 125 "mem" run --kernel build/suite.elf --mem 0
refused "a device that is none" 125 "/dev/null" build/runner --device /dev/null \
	--kernel build/suite.elf
refused "an unknown workload" 2 "workload" run --kernel build/suite.elf --append workload=nothing

guest() { # KIND [MIB]
	run --kernel build/suite.elf --mem "${2:-64}" --timeout "${3:-2}" --append "workload=bad kind=$1"
}

now_ms() {
	awk '{ printf "%d", $1 * 1000 }' /proc/uptime
}

# longest_wait COMMAND...: while it runs; how many milliseconds more a sleep of 20 took at worst
longest_wait() {
	"$@" >/dev/null 2>&1 &
	longest=0
	while kill -0 $! 2>/dev/null; do
		before=$(now_ms)
		usleep 20000
		took=$(($(now_ms) - before - 20))
		[ $took -le $longest ] || longest=$took
	done
	echo $longest
}

free_before=
for m in $(modes); do
	echo "# guests that misbehave, $m"
	mode "$m"
	refused "$m: triple fault" 126 "shut down\|triple" guest triple
	refused "$m: a jump to nowhere" 126 "outside" guest wild_jump
	refused "$m: CR3 outside RAM" 126 "outside" guest cr3_outside
	refused "$m: tables outside RAM" 126 "outside" guest outside
	refused "$m: HLT" 126 "halt\|hlt" guest hlt
	refused "$m: a loop for ever" 124 "time" guest spin
	refused "$m: a loop of table stores for ever" 124 "time" guest spin_update
	refused "$m: reserved bits in all tables" 126 "triple" guest reserved
	for kind in reserved_leaf selfmap tables_at_self privileged; do
		refused "$m: $kind is the guest's own affair" 0 "" guest $kind
	done
	refused "$m: greedy is the guest's own affair" 0 "" guest greedy 32 20
	# The first round also fills caches that live as long as the module.
	free=$(awk '$1 == "MemFree:" { print $2 }' /proc/meminfo)
	[ -n "$free_before" ] || free_before=$free
	check "$m: pins given back" [ "$(pins)" = 0 ]
done
# The page allocator keeps some freed pages per CPU. What a VM leaked would be more: a greedy guest
# has about 100 MiB of shadow pages.
check "less than 64 MiB less memory free than after the first mode: $free_before, now $free KiB" \
	[ "$free" -gt $((free_before - 65536)) ]

echo "# greedy guests under a small budget"
set_parameter shadow_budget 43
for m in shadow ssp hybrid; do
	mode $m
	refused "$m: more tables than the budget" 0 "" guest greedy 32 20
	refused "$m: an interrupt that needs much of the budget at once" 0 "" guest straddle
	wait=$(longest_wait guest roots 64 3)
	check "$m: a guest that only makes work: the host never waited a quarter of a second ($wait ms)" \
		[ "$wait" -lt 250 ]
done
set_parameter shadow_budget 16384

echo "# a guest that never executes an instruction"
mode ept
refused "debug exceptions that raise each other for ever" 124 "time" guest db_loop 64 1

echo "# programs"
guest spin >/dev/null 2>&1 &
victim=$!
sleep 1
refused "rmmod while a VM runs" 1 "in use\|busy\|unavailable" rmmod penumbra
kill -9 "$(pidof runner)"
wait $victim
sleep 1
check "kill -9 gives every pin back" [ "$(pins)" = 0 ]
build/tests/ioctls && check "ioctls give every pin back" [ "$(pins)" = 0 ]
check "the module unloads" rmmod penumbra
