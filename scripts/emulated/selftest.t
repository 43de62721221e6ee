#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Does the emulated host keep its promises?  `prove scripts/emulated/selftest.t` starts about six
# machines and takes less than a minute.
set -u

top=$(cd "$(dirname "$0")/../.." && pwd)
host=$top/scripts/emulated-host
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
count=0

# check NAME COMMAND...: passes if the command does
check() {
	name=$1
	shift
	count=$((count + 1))
	if "$@"; then
		echo "ok $count - $name"
	else
		echo "not ok $count - $name"
		sed 's/^/# /' "$work/out" "$work/err"
	fi
}

# run ARGUMENT...: what comes out is in $work/out and $work/err, the status in $status
run() {
	"$host" "$@" >"$work/out" 2>"$work/err"
	status=$?
}

ends_with() {
	[ "$status" = "$1" ]
}

out_is() {
	[ "$(cat "$work/out")" = "$1" ]
}

complains() {
	grep -q "$1" "$work/err"
}

ticks() {
	sed -n 's/.* to \(tick [0-9]*\);.*, \([0-9]* ticks\)$/\1 \2/p' "$work/err"
}

# Refused before anything starts
run --no-such-option
check "an unknown option is refused" ends_with 125
run --model pdp11 -- true
check "an unknown model is refused" complains "Bochs [0-9.]* does not know it"
run --cpus 16 -- true
check "too many processors are refused" complains "say 1 or 2"
run --mem 64 -- true
check "too little memory is refused" complains "300 to 2048"
run --mitigations maybe -- true
check "mitigations that are neither on nor off are refused" complains "say on or off"
run
check "a missing command is refused" complains "no command"
run --bare "$0"
check "a bare image has to be ELF" complains "not an ELF file"
run --print kernel-version
check "the kernel's version can be asked" ends_with 0
run --print kdir
check "the kernel's headers are there" test -e "$(cat "$work/out")/Makefile"

# A bare machine, two at a time
gcc -nostdlib -static -no-pie -Wl,-Ttext=0x1000000 -o "$work/bare" "$top/scripts/emulated/selftest.S"
"$host" --bare "$work/bare" --append "other machine" --trace-code "$work/code" >"$work/other" 2>&1 &
run --bare "$work/bare" --append "one=1 two=2" --trace "$work/trace" --verbose
wait $!
check "a bare machine's second instance runs beside it" grep -qx "other machine" "$work/other"
check "a bare machine's status comes out" ends_with 7
check "its command line arrives" grep -qx "one=1 two=2" "$work/out"
check "its rows come out" grep -qx "@row workload=selftest" "$work/out"
check "its read is traced" grep -q 'RD.*LIN.*0x11223344 0x55667788' "$work/trace"
check "its write is traced" grep -q 'WR.*LIN.*0x11223344 0x55667788' "$work/trace"
check "page-table reads have their level" grep -q 'RD.*PHY.*PML4E' "$work/trace"
check "the traced region is marked" grep -q '^# region 1 ends at tick [0-9]' "$work/trace"
check "instructions are traced" grep -q '^(0)\.\[[0-9]*\] \[0x[0-9a-f]*\] .*: mov ' "$work/code"
check "their region is marked" grep -q '^# region 1 ends at tick [0-9]' "$work/code"

# One command, twice
# shellcheck disable=SC2016 # expanded inside
script='echo "$WORD"; echo oops >&2; mkdir /out/a; echo kept >/out/a/b; test -d /penumbra/scripts; exit 42'
run --verbose --env WORD=hello --out "$work/files" -- sh -c "$script"
first=$(ticks)
check "the command's status comes out" ends_with 42
check "its output comes out" out_is hello
check "its errors come out" grep -qx oops "$work/err"
check "its files come back" grep -qx kept "$work/files/a/b"
run --verbose --env WORD=hello --out "$work/files" -- sh -c "$script"
check "a second run takes the same ticks ($first)" test "${first:-none}" = "$(ticks)"

run --cpus 2 -- nproc
check "two processors" out_is 2

# What goes wrong
run --kvm ept=0 -- sh -c 'cat /sys/module/kvm_intel/parameters/ept; echo c >/proc/sysrq-trigger'
check "a panic ends the run" ends_with 120
check "the panic's last lines are shown" complains "Kernel panic - not syncing: sysrq"
check "output before the panic comes out, and KVM got its parameter" out_is N
run --keep-going -- sh -c 'echo "BUG: one" >/dev/kmsg; echo "WARNING: two" >/dev/kmsg; echo last; exit 3'
check "a run that keeps going ends as one with reports" ends_with 120
check "it goes on past the first" out_is last
check "it shows each" complains "^ .*WARNING: two"
check "it counts them by kind" complains "by kind: BUG 1, WARNING 1"
# How long a boot takes is this machine's affair: long enough is when the command has begun.
for seconds in 12 40 120; do
	run --timeout $seconds --out "$work/files" -- sh -c 'echo partial >/out/partial; while :; do :; done'
	[ ! -e "$work/files/partial" ] || break
done
check "a timeout ends the run" ends_with 124
check "files written before the timeout come back" grep -qx partial "$work/files/partial"

"$host" -- sh -c 'while :; do :; done' >"$work/out" 2>"$work/err" &
machine=$!
has_folder() {
	ls -d "$top/build/emulated/run.$machine."* >/dev/null 2>&1
}
while kill -0 $machine && ! has_folder; do
	sleep 0.2
done
check "a running machine has its folder" has_folder
kill -TERM $machine
wait $machine
status=$?
check "an interrupted run says so" ends_with 143
# Other machines may run beside this one: its own folder has its process number.
check "nothing is left behind" sh -c "! ls -d '$top'/build/emulated/run.$machine.* 2>/dev/null"

echo "1..$count"
