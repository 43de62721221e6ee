#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The debug kernel: bad parameters, images, guests, programs and ioctls.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh
on_host "bad input" --keep-going --timeout 3600 -- sh tests/host/badinput.sh
plan
