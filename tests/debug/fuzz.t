#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The debug kernel: a million calls of the ABI's fuzzer; CALLS= and SEED= choose others.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh
on_host fuzzer --keep-going --timeout 36000 --env LOUD=1 --env "CALLS=${CALLS:-1000000}" \
	--env "SEED=${SEED:-1}" -- sh tests/host/abifuzz.sh
plan
