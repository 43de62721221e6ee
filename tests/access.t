#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The guest access test: does a guest find the paging that the manual promises, in every mode? On
# three generations of CPU (and on those that only a newer Bochs has), each booted once: all combinations on one without the monitor trap flag;
# an eighth of them, evenly spread, on an old one whose EPT has no accessed and dirty flags and on a
# new one that has everything; all stories everywhere. PART=fast or PART=all asks for one of them.
cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh

part=all
models="corei7_skylake_x corei7_ivy_bridge_3770k tigerlake"
for model in $(scripts/emulated-host --print models | grep -x 'sapphire_rapids\|arrow_lake'); do
	models="$models $model"
done
for model in ${MODELS:-$models}; do
	on_host "$model" --model "$model" --timeout 600 --env "MODES=${MODES:-}" -- \
		sh tests/guest/access.sh "part=${PART:-$part}"
	part=fast
done
plan
