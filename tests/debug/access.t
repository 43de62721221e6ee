#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The debug kernel: an eighth of the access test's combinations and all of its stories, in every mode.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh
on_host "access" --keep-going --timeout 3600 --env "MODES=${MODES:-}" -- sh tests/guest/access.sh part=fast
plan
