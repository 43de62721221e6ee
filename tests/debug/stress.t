#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The debug kernel: sudden ends, memory limits, no memory, a module that comes and goes.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh
on_host "stress" --keep-going --mem 640 --timeout 3600 --env "SEED=${SEED:-1}" --env "MODES=${MODES:-}" -- \
	sh tests/host/stress.sh kill=20 limit=256 oom load=10
plan
