#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The debug kernel: each allocation and each copy of a VM's life fails once, in every mode.
# NTH=5 takes every fifth of them.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh
on_host "failures" --keep-going --mem 640 --timeout 3600 --env "SEED=${SEED:-1}" --env "MODES=${MODES:-}" -- \
	sh tests/host/stress.sh "nth=${NTH:-1}"
plan
