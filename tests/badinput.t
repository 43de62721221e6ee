#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Bad parameters, images, guests and programs on the emulated host; machines without usable VT-x.
cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh
make -s --no-print-directory "${B:-build}/tests/ioctls" || {
	echo "Bail out! tests/host/ioctls.c does not build"
	exit 1
}
on_host "bad input" --timeout 600 -- sh tests/host/badinput.sh
on_host "no VT-x" --model ryzen --timeout 60 -- sh tests/host/novtx.sh absent
on_host "KVM holds VT-x" --kvm ept=1 --timeout 90 -- sh tests/host/novtx.sh kvm

# Said before an hour of running: a results folder that cannot be written.
tests=$((tests + 1))
dir=$(mktemp -d) || exit 1
: >"$dir/file"
if HOST=emulated RESULTS_DIR="$dir/file/results" bench/run >"$dir/out" 2>&1; then
	echo "not ok $tests - an unwritable results folder"
elif grep -q "results" "$dir/out" && [ "$(wc -l <"$dir/out")" -lt 12 ]; then
	echo "ok $tests - an unwritable results folder is refused at once"
else
	echo "not ok $tests - an unwritable results folder is refused at once"
	sed 's/^/# /' "$dir/out" | head -n 10
fi

# A device that is not ours to open.
tests=$((tests + 1))
chmod 755 "$dir"
: >"$dir/device" && chmod 000 "$dir/device"
as_nobody=
[ "$(id -u)" != 0 ] || as_nobody="setpriv --reuid 65534 --regid 65534 --clear-groups"
$as_nobody "${B:-build}/runner" --device "$dir/device" --kernel "${B:-build}/suite.elf" \
	--append workload=list >"$dir/out" 2>&1
status=$?
if [ $status = 125 ] && grep -q "cannot open .*Permission denied; run this as its owner" "$dir/out"; then
	echo "ok $tests - a device without permission is refused with what to do"
else
	echo "not ok $tests - a device without permission is refused with what to do"
	sed 's/^/# /' "$dir/out"
fi
rm -rf "$dir"
plan
