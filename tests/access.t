#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The guest access test: does a guest find the paging that the manual promises, in every mode? On
# three generations of CPU, each booted once: one without the monitor trap flag, an old one whose
# EPT has no accessed and dirty flags, and one that has both. The whole set of combinations under
# ept and on request (PART=all); an eighth of them, evenly spread, and all stories elsewhere.
cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh

part=${PART:-fast}
for model in ${MODELS:-corei7_skylake_x corei7_ivy_bridge_3770k tigerlake}; do
	on_host "$model" --model "$model" --timeout 280 --env "MODES=${MODES:-}" -- \
		sh tests/guest/access.sh "part=$part"
done
plan
