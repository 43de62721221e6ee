#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The debug kernel on two CPUs: 900 migrations and a CPU that goes off and on, under running guests;
# the racing ioctls once more, this time really side by side. The second CPU comes late: booted with
# both, this kernel waits for ever for an idle CPU that Bochs does not wake.
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh
on_host "two CPUs" --keep-going --timeout 3600 --cpus 2 --append "idle=poll maxcpus=1" \
	--env "SEED=${SEED:-1}" -- sh tests/host/stress.sh migrate=225 hotplug=20 kill=20 ioctls
plan
