#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The debug kernel: paging_mode flips at random under running guests.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh
on_host "flips" --keep-going --timeout 3600 --env "FLIPS=${FLIPS:-300}" --env "SEED=${SEED:-1}" -- \
	sh tests/host/torture.sh
plan
