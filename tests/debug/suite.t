#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The debug kernel: the whole suite in every mode, and not one report.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh
on_host "suite" --keep-going --timeout 3600 -- sh tests/host/suite.sh
plan
