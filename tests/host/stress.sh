#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# On the emulated host: lives of VMs that end badly or are disturbed, in every mode.
# Usage: stress.sh PART...; each part is PART or PART=COUNT:
#   whole    COUNT undisturbed lives
#   nth      every COUNT-th allocation or copy of a VM's life fails (needs a kernel that can)
#   kill     kill -9 at COUNT random moments
#   limit    a life under memory limits from 1 MiB on, in steps of COUNT KiB
#   oom      the host runs out of memory under a guest
#   load     the module comes and goes COUNT times, beside a program that opens the device and one that
#            writes parameters
#   migrate  the vCPU moves COUNT times between two CPUs
#   hotplug  CPU 1 goes off and on COUNT times under the guest
#   look     COUNT looks at all that the module shows, each with a change of a parameter and of the mode
#   ioctls   those of ioctls.c, with their races
# MODES="shadow ept" chooses modes. With two CPUs given, one that booted with maxcpus=1 is turned on first.
. tests/host/tap.sh

stress() {
	build/tests/stress "$@"
}

# for_modes COMMAND...: in each mode, and every pin must come back
for_modes() {
	for m in $all; do
		mode "$m"
		echo "# $m: $*"
		"$@" || fail "$m: $*: status $?"
		check "$m: $2: every pin came back" [ "$(pins)" = 0 ]
	done
}

part_whole() {
	for_modes stress whole "$1"
}

part_nth() {
	faults=/sys/kernel/debug
	for f in failslab fail_page_alloc fail_usercopy; do
		echo 0 >$faults/$f/verbose || fail "this kernel injects no failures"
	done
	# Those that may sleep are what a VM is made of.
	echo N >$faults/failslab/ignore-gfp-wait
	echo N >$faults/fail_page_alloc/ignore-gfp-wait
	echo N >$faults/fail_page_alloc/ignore-gfp-highmem
	echo 0 >$faults/fail_page_alloc/min-order
	for_modes stress nth "$1" "$SEED"
}

part_kill() {
	for_modes stress kill "$1" "$SEED"
}

# A cgroup of $1 KiB; then the life in it. The cgroup must be empty of charges in the end, or it
# could not go: what the module takes for a VM is the VMM's, and comes back.
limited() {
	group=/tmp/cgroup/vm
	mkdir $group
	echo "$1K" >$group/memory.max
	sh -c "echo \$\$ >$group/cgroup.procs && exec build/tests/stress limited 1" >/dev/null 2>&1
	status=$?
	rmdir $group || fail "the cgroup of $1 KiB does not go"
	return $status
}

limits_bite() {
	case $1 in
	" 1024:0"*) return 1 ;;
	*" 131072:0") return 0 ;;
	esac
	return 1
}

part_limit() {
	mkdir -p /tmp/cgroup
	mount -t cgroup2 none /tmp/cgroup
	echo +memory >/tmp/cgroup/cgroup.subtree_control
	echo 0 >/proc/sys/vm/oom_dump_tasks # a page of text for each, on a slow console
	for m in $all; do
		mode "$m"
		seen='' bad=''
		kib=1024
		while [ "$kib" -le 131072 ]; do
			limited $kib
			status=$?
			seen="$seen $kib:$status"
			# 0 lived, 3 refused with a reason, 137 killed by the kernel, 125 not even loaded
			case $status in
			0 | 3 | 125 | 137) ;;
			*) bad="$bad $kib" ;;
			esac
			# Narrow where lives begin to fit, wide beyond.
			[ "$kib" -lt 4096 ] && kib=$((kib + $1)) || kib=$((kib * 32))
		done
		echo "# $m: KiB:status$seen"
		check "$m: under each memory limit a whole life or a clear end$bad" [ -z "$bad" ]
		check "$m: 128 MiB are enough, 1 MiB is not" limits_bite "$seen"
		check "$m: limit: every pin came back" [ "$(pins)" = 0 ]
	done
	umount /tmp/cgroup
}

free_mib() {
	awk '$1 == "MemAvailable:" { print int($2 / 1024) }' /proc/meminfo
}

# Ballast leaves the guest less than it touches: the kernel has to kill, and the VMM is the largest.
part_oom() {
	mkdir -p /tmp/ballast
	mount -t tmpfs -o size=100% none /tmp/ballast
	dd if=/dev/zero of=/tmp/ballast/file bs=1M count=$(($(free_mib) - 40)) 2>/dev/null
	for m in $all; do
		mode "$m"
		run --kernel build/suite.elf --mem 96 --hugepages off --timeout 200 \
			--append "workload=gups size=64M ops=100 reps=1" >/tmp/out 2>&1
		status=$?
		check "$m: out of memory, the VMM is killed (status $status)" [ $status = 137 ]
		check "$m: oom: every pin came back" [ "$(pins)" = 0 ]
	done
	rm /tmp/ballast/file
	umount /tmp/ballast
	check "a life after it is whole" stress whole 1
}

part_load() {
	rmmod penumbra
	loads=0
	build/tests/stress opener 1000000 &
	opener=$!
	# Parameters are there before the module has started.
	while :; do
		echo 1 >$PARAMETERS/mitigations
		mode shadow
		usleep 500
	done 2>/dev/null &
	writer=$!
	while [ "$loads" -lt "$1" ]; do
		insmod "$MODULE" paging_mode="$(echo "$all" | tr ' ' '\n' | sed -n "$((loads % modes_count + 1))p")" || break
		# While a VM exists the module stays: that is right, and over soon.
		until rmmod penumbra 2>/dev/null; do
			usleep 300
		done
		loads=$((loads + 1))
	done
	kill -9 $opener $writer
	wait $opener $writer 2>/dev/null
	check "the module came and went $loads times" [ "$loads" = "$1" ]
	check "load: every pin came back" [ "$(pins)" = 0 ]
	load paging_mode=ept
	check "a life after it is whole" stress whole 1
}

part_migrate() {
	for_modes stress migrate "$1" "$SEED"
}

part_hotplug() {
	for_modes stress hotplug "$1" "$SEED"
}

part_look() {
	MODES=$all stress look "$1" "$SEED"
	check "look: every pin came back" [ "$(pins)" = 0 ]
}

part_ioctls() {
	build/tests/ioctls && check "ioctls: every pin came back" [ "$(pins)" = 0 ]
}

SEED=${SEED:-1}
online=/sys/devices/system/cpu/cpu1/online
if [ -e $online ] && [ "$(cat $online)" = 0 ]; then
	check "CPU 1 comes" sh -c "echo 1 >$online"
fi
load paging_mode=ept
all=${MODES:-$(modes)}
modes_count=$(echo "$all" | wc -w)
check "the CPU can do some mode" [ -n "$all" ]
for part; do
	name=${part%%=*}
	count=${part#"$name"}
	started=$(cut -d ' ' -f 1 /proc/uptime)
	"part_$name" "${count#=}"
	echo "# $part: from $started to $(cut -d ' ' -f 1 /proc/uptime) s of the machine's clock"
done
check "the module unloads" rmmod penumbra
