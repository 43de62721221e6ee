#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The live switch: a thousand random flips of paging_mode under running guests.
cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh
on_host flips --timeout 600 --env "FLIPS=${FLIPS:-1000}" --env "SEED=${SEED:-1}" -- sh tests/host/torture.sh
plan
