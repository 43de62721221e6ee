#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The debug kernel on two CPUs: whatever may touch a VM from beside it does, while it runs. Readers of
# its counters, changes of each parameter, the fuzzer's threads. Above all for KCSAN.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh
on_host "looks" --keep-going --timeout 3600 --cpus 2 --env "SEED=${SEED:-1}" -- \
	sh tests/host/stress.sh "look=${LOOKS:-400}" ioctls
on_host "fuzzer" --keep-going --timeout 3600 --cpus 2 --env "CALLS=${CALLS:-20000}" \
	--env "SEED=${SEED:-1}" -- sh tests/host/abifuzz.sh
plan
