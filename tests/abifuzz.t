#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The ABI under a fuzzer, briefly: on a kernel that can be preempted anywhere, so that one CPU is
# enough for races. `make test-debug` makes a million calls on a kernel that looks for mistakes.
cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh
make -s --no-print-directory "${B:-build}/tests/abifuzz" || {
	echo "Bail out! tests/abifuzz does not build"
	exit 1
}
on_host fuzzer --append preempt=full --timeout 600 --env "CALLS=${CALLS:-4000}" --env "SEED=${SEED:-1}" -- \
	sh tests/host/abifuzz.sh
plan
