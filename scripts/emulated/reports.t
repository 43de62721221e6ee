#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Does the monitor of the emulated host know every kind of report that a kernel makes?
cd "$(dirname "$0")/../.." || exit 1
exec "${B:-build}/tests/reports" scripts/emulated/reports.samples
