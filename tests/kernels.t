#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Other kernels and another Bochs: on emulated hosts of tests/kernels.conf the module is built, loads,
# runs a part of the suite in every mode with equal checksums, and the stories of the access test.
# Those of `make test`; ONLY=KERNEL asks for all of one kernel's.
cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh

while read -r kernel bochs model when; do
	case $kernel in
	'' | \#*) continue ;;
	esac
	[ "$when" = test ] || [ -n "${ONLY:-}" ] || continue
	[ "$bochs" != - ] || bochs=${EMULATED_BOCHS:-}
	[ -z "${ONLY:-}" ] || [ "$ONLY" = "$kernel" ] || continue
	label="$kernel, ${bochs:-the installed} Bochs"
	tests=$((tests + 1))
	if make -s --no-print-directory emulated-module EMULATED_KERNEL="$kernel" >"${TMPDIR:-/tmp}/kernels.$$" 2>&1; then
		echo "ok $tests - $label: the module builds"
	else
		echo "not ok $tests - $label: the module builds"
		sed 's/^/# /' "${TMPDIR:-/tmp}/kernels.$$" | head -n 30
	fi
	rm -f "${TMPDIR:-/tmp}/kernels.$$"
	EMULATED_BOCHS=$bochs on_host "$label" --kernel "$kernel" --model "$model" --timeout 400 -- sh -c '
		uname -r
		sh tests/host/suite.sh selftest "pt_update share=50" fork_cow "ctx_switch procs=4" mix
		sh tests/guest/access.sh part=cases' </dev/null
done <tests/kernels.conf
plan
