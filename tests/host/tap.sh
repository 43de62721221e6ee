# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh disable=SC2034
# For scripts that run on the emulated host (busybox): TAP lines without numbers, which the test
# outside numbers, and what all of them need.

PARAMETERS=/sys/module/penumbra/parameters
MODULE=${MODULE:-build/emulated/hv/penumbra.ko}

run() {
	build/runner --device /dev/penumbra "$@"
}

pass() {
	echo "ok - $*"
}

fail() {
	echo "not ok - $*"
}

# check NAME COMMAND...: passes if the command does
check() {
	check_name=$1
	shift
	if "$@"; then pass "$check_name"; else fail "$check_name"; fi
}

load() {
	insmod "$MODULE" "$@" || {
		echo "Bail out! the module does not load"
		dmesg | tail -n 5 | sed 's/^/# /'
		exit 1
	}
}

# The modes this CPU can do, in the order of the log line that names them.
modes() {
	echo no-such-mode >"$PARAMETERS/paging_mode" 2>/dev/null
	dmesg | sed -n 's/.*penumbra: paging_mode=no-such-mode refused: .*; accepted are: *//p' | tail -n 1
}

mode() {
	echo "$1" >"$PARAMETERS/paging_mode"
}

# Pins taken and given back, as the kernel counts them.
pins() {
	cat /proc/sys/vm/stat_refresh >/dev/null # the counts are per CPU, and late
	awk '$1 == "nr_foll_pin_acquired" { a = $2 } $1 == "nr_foll_pin_released" { r = $2 }
		END { print a - r }' /proc/vmstat
}
