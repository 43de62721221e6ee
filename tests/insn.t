#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The store decoder against this machine's CPU. INSN_RUNS sets the random instructions.
cd "$(dirname "$0")/.." || exit 1
B=${B:-build}
make -s --no-print-directory "$B/tests/insn" || {
	echo "Bail out! $B/tests/insn does not build"
	exit 1
}
exec "$B/tests/insn" "${INSN_RUNS:-300000}"
