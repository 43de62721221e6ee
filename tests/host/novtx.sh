#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# On an emulated host where VT-x is absent, or where KVM holds it: a refusal that says why.
# Usage: novtx.sh absent|kvm
. tests/host/tap.sh

case $1 in
absent)
	insmod "$MODULE" 2>/dev/null && fail "the module loads without VT-x"
	check "the refusal names VT-x" sh -c 'dmesg | grep -q "penumbra: not loaded: .*VT-x"'
	dmesg | grep penumbra: | sed 's/^/# /'
	;;
kvm)
	build/runner --device /dev/kvm --kernel build/suite.elf --mem 64 --timeout 60 \
		--append "workload=null_exit kind=out ops=2000000" >/dev/null 2>&1 &
	sleep 2
	if insmod "$MODULE" 2>/dev/null; then
		run --kernel build/suite.elf --mem 64 --append workload=list >/tmp/out 2>&1
		check "no VM while KVM runs one" [ $? = 125 ]
		check "the module still unloads" rmmod penumbra
	else
		pass "the module does not load while KVM runs a VM"
	fi
	check "the refusal names the other hypervisor" sh -c \
		'dmesg | grep -qi "penumbra: .*\(in use\|held\|another hypervisor\)"'
	dmesg | grep penumbra: | sed 's/^/# /'
	kill "$(pidof runner)"
	wait
	build/runner --device /dev/kvm --kernel build/suite.elf --mem 64 \
		--append "workload=null_exit reps=1" >/dev/null 2>&1
	check "KVM goes on unharmed" [ $? = 0 ]
	rmmod kvm_intel
	insmod "$MODULE"
	check "without KVM the module loads" [ -d /sys/module/penumbra ]
	run --kernel build/suite.elf --mem 64 --append "workload=null_exit reps=1" >/dev/null 2>&1
	check "and runs" [ $? = 0 ]
	;;
esac
