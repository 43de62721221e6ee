# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# On the emulated host: the GTT device. Every workload has one checksum in every combination of
# gtt_mode and paging_mode; a driver that does everything wrong is answered and the VM lives; modes
# and bounds flip under running guests; bad values and sizes are refused with a sentence.
. tests/host/tap.sh

GTT_MODES="strict relaxed hybrid passthrough"

gtt_mode() {
	echo "$1" >"$PARAMETERS/gtt_mode"
}

guest() { # GTT-MIB LINE
	run --kernel build/suite.elf --mem 64 --gtt "$1" --timeout 60 --stats --append "$2" \
		>/tmp/out 2>&1
}

# statistic NAME: its value at the end of the last guest
statistic() {
	awk -v name="$1" '$1 == name { print $2 }' /tmp/out
}

# Is each exit counted in one cause?
one_cause() {
	awk '$1 == "exits" { all = $2 } $1 ~ /^exits_/ && $1 != "exits_host" { sum += $2 }
		END { exit !(all > 0 && all == sum) }' /tmp/out
}

checksum() {
	sed -n 's/.*status=ok .*checksum=\(0x[0-9a-f]*\).*/\1/p' /tmp/out | sort -u
}

said() {
	grep -E '^(guest|runner|gttbad):' /tmp/out | tail -n 6 | sed 's/^/# /'
}

# one_checksum LINE: in all combinations
one_checksum() {
	want='' wrong='' count=0
	for m in $all; do
		mode "$m"
		for g in $GTT_MODES; do
			gtt_mode "$g"
			guest 16 "$1" || wrong="$wrong $m/$g:failed"
			got=$(checksum)
			want=${want:-$got}
			one_cause || wrong="$wrong $m/$g:exits"
			count=$((count + 1))
			[ -n "$got" ] && [ "$got" = "$want" ] || wrong="$wrong $m/$g:$got"
		done
	done
	check "$1: one checksum in $count combinations${wrong:+, but$wrong}" [ -z "$wrong" ]
}

# A loop of its own flips everything while guests run.
flip() {
	while [ ! -e /tmp/stop ]; do
		for g in hybrid passthrough strict relaxed hybrid strict; do
			gtt_mode $g
			echo $((turn % 5)) >"$PARAMETERS/gtt_threshold"
			echo $((turn % 7)) >"$PARAMETERS/gtt_snapshots"
			echo $((turn / 3 % 2)) >"$PARAMETERS/gtt_dirty"
			turn=$((turn + 1))
			usleep 1000
		done
		for m in $all; do
			mode "$m"
			usleep 1000
		done
		cat /sys/kernel/debug/penumbra/*/audit >>/tmp/audits 2>/dev/null
	done
}

refused() { # PARAMETER VALUE
	old=$(cat "$PARAMETERS/$1")
	! echo "$2" >"$PARAMETERS/$1" 2>/dev/null && [ "$(cat "$PARAMETERS/$1")" = "$old" ] &&
		dmesg | tail -n 1 | grep -q "$1=$2 refused: .*accepted are"
}

load gtt_mode=hybrid slice_us=1000 # as torture.sh
mount -t debugfs none /sys/kernel/debug 2>/dev/null
all=$(modes)
check "gtt_mode= on the command line" [ "$(cat "$PARAMETERS/gtt_mode")" = hybrid ]

one_checksum "workload=gmedia ops=3 threads=2 surfaces=4 reps=2"
one_checksum "workload=desktop ops=4 reps=2"
one_checksum "workload=compute ops=2 pages=512 updates=3 reps=2"
one_checksum "workload=upload ops=24 burst=32 ring=512 reps=2"

for m in $all; do
	mode "$m"
	for g in $GTT_MODES; do
		gtt_mode "$g"
		if guest 16 "workload=gttbad" && one_cause; then
			pass "a bad driver, $m/$g: $(sed -n 's/^gttbad: //p' /tmp/out)"
		else
			fail "a bad driver, $m/$g"
			said
		fi
	done
done
dmesg | grep -q "gtt: submission .* refused: an entry leads outside guest memory"
check "refusals are said in the log" [ $? = 0 ]

# Dirty flags spare comparisons wherever they can tell, and nowhere else.
for m in $all; do
	mode "$m"
	gtt_mode hybrid
	guest 16 "workload=desktop ops=4"
	with="$(statistic gtt_portions_clean) $(statistic gtt_portions_compared)"
	echo 0 >"$PARAMETERS/gtt_dirty"
	guest 16 "workload=desktop ops=4"
	without="$(statistic gtt_portions_clean) $(statistic gtt_portions_compared)"
	echo 1 >"$PARAMETERS/gtt_dirty"
	check "$m: portions that are clean and compared: $with; gtt_dirty=0: $without" \
		[ "${with% *}" -gt 0 -a "${without% *}" = 0 -a "${with#* }" -lt "${without#* }" ]
done
for g in $GTT_MODES; do
	gtt_mode "$g"
	guest 16 "workload=gmedia ops=3"
	spent=$(statistic gtt_shadow_cycles)
	case $g in
	passthrough) check "$g: no time in shadowing" [ "$spent" = 0 ] ;;
	*) check "$g: time in shadowing, $spent" [ "$spent" -gt 0 ] ;;
	esac
done

# What the guest finds must not depend on when modes change.
gtt_mode strict
mode ept 2>/dev/null
for line in "workload=gmedia ops=600 threads=4" "workload=desktop ops=300" \
	"workload=upload ops=6000 burst=32 ring=512"; do
	guest 16 "$line"
	want=$(checksum)
	rm -f /tmp/stop
	turn=0
	flip &
	flipper=$!
	guest 16 "$line reps=2"
	status=$?
	: >/tmp/stop
	wait $flipper
	check "$line: the same while everything flips" [ "$status:$(checksum)" = "0:$want" ]
	flips="$(statistic mode_switches) of paging_mode, $(statistic gtt_mode_switches) of gtt_mode"
	check "... $flips" [ "$(statistic mode_switches)" -gt 2 -a "$(statistic gtt_mode_switches)" -gt 2 ]
	check "... each exit has one cause" one_cause
	[ "$status" = 0 ] || said
done
mode ept 2>/dev/null
grep -q . /tmp/audits && ! grep -qv '^0$' /tmp/audits
check "$(wc -l </tmp/audits) audits in between find nothing wrong" [ $? = 0 ]

check "an unknown gtt_mode is refused" refused gtt_mode lax
check "a threshold out of range is refused" refused gtt_threshold 513
check "snapshots out of range are refused" refused gtt_snapshots 1025
check "gtt_dirty out of range is refused" refused gtt_dirty 2
check "a threshold that is no number is refused" refused gtt_threshold many
echo 256 >"$PARAMETERS/gtt_snapshots"

guest 3 "workload=gttbad"
check "a size that is no power of two" grep -q "power of two from 2 to 2048" /tmp/out
guest 4096 "workload=gttbad"
check "a size that is too large" grep -q "a number from 2 to 2048" /tmp/out
guest 2 "workload=upload ring=4096"
check "a device that is too small for the workload" grep -q "are needed: --gtt 32" /tmp/out
run --kernel build/suite.elf --mem 64 --append workload=upload >/tmp/out 2>&1
check "no device" grep -q "give the runner --gtt" /tmp/out
guest 2048 "workload=upload ops=2"
check "2 GiB of device space" [ -n "$(checksum)" ]
check "the module unloads" rmmod penumbra
