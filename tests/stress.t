#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Lives of VMs that end badly or are disturbed, on two CPUs: sudden ends, memory limits, a module that
# comes and goes, a vCPU that moves, a CPU that goes. `make test-debug` does more of each on a kernel
# that looks for mistakes.
cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh
on_host "two CPUs" --cpus 2 --timeout 600 --env "SEED=${SEED:-1}" -- \
	sh tests/host/stress.sh kill=5 limit=1024 load=12 migrate=40 hotplug=4
plan
