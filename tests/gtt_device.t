#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The GTT device in VMs: tests/gtt/device.sh on the emulated host.
cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh

on_host gtt --timeout 600 -- sh tests/gtt/device.sh
plan
