#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The debug kernel with kmemleak: what VMs and the module itself leave behind when they are gone.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh
on_host "leaks" --keep-going --timeout 3600 --append "kmemleak=on" \
	--env "STEP=${STEP:-5}" --env "MODES=${MODES:-}" -- sh tests/host/leaks.sh
plan
