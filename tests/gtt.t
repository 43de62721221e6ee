#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The device's page table in every gtt_mode against an oracle, under the sanitizers: random stores,
# submissions, mode flips, snapshots that run out, memory that comes and goes.
set -u
cd "$(dirname "$0")/.." || exit 1
program=${B:-build}/tests/gtt
STEPS=${STEPS:-50000}

number=0
for run in "all modes:1:" "all modes, another seed:2:" strict:3:strict relaxed:4:relaxed \
	hybrid:5:hybrid passthrough:6:passthrough; do
	number=$((number + 1))
	name=${run%%:*} rest=${run#*:}
	seed=${rest%%:*} mode=${rest#*:}
	if output=$("$program" --seed "$seed" --steps "$STEPS" ${mode:+--mode "$mode"} 2>&1); then
		echo "ok $number - $name, $STEPS steps"
	else
		echo "not ok $number - $name, $STEPS steps"
	fi
	printf '%s\n' "$output" | grep -v '^ok$' | sed 's/^\([^#]\)/# \1/'
done
echo "1..$number"
