#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Lives of VMs that end badly or are disturbed, on two CPUs: sudden ends, memory limits, a module that
# comes and goes, a vCPU that moves, a CPU that goes; and a part of it where nearly all of the kernel can be
# preempted. `make test-debug` does more of each on a kernel that looks for mistakes.
cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh
on_host "two CPUs" --cpus 2 --timeout 600 --env "SEED=${SEED:-1}" -- \
	sh tests/host/stress.sh kill=5 limit=1024 load=12 migrate=40 hotplug=4

rt=linux-image-rt-amd64
tests=$((tests + 1))
log=$(mktemp) || exit 1
if make -s --no-print-directory emulated-module EMULATED_KERNEL=$rt >"$log" 2>&1; then
	echo "ok $tests - PREEMPT_RT: the module builds"
else
	echo "not ok $tests - PREEMPT_RT: the module builds"
	sed 's/^/# /' "$log" | head -n 30
fi
rm -f "$log"
on_host "PREEMPT_RT" --kernel $rt --cpus 2 --timeout 300 --env "SEED=${SEED:-1}" -- \
	sh tests/host/stress.sh kill=3 migrate=25 hotplug=2
plan
