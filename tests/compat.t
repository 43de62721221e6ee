#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The module and the kernel's headers: what hv/probe finds in them, and what is said of kernels and
# headers that it cannot be built for.
# shellcheck disable=SC2016 # what eval and make are given expands there
cd "$(dirname "$0")/.." || exit 1
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
tests=0

check() { # name, then a command that says yes or no
	local name=$1
	shift
	tests=$((tests + 1))
	if "$@"; then
		echo "ok $tests - $name"
	else
		echo "not ok $tests - $name"
		sed 's/^/# /' "$tmp/log"
	fi
}
says() { grep -qF -- "$1" "$tmp/log"; }

# ---- the probe: a kernel of our own making ----

kernel=$tmp/kernel
mkdir -p "$kernel/include/uapi/linux" "$kernel/include/linux" "$kernel/arch/x86/include/asm"
tab() { printf '0x0\t%s\tvmlinux\tEXPORT_SYMBOL_GPL\t%s\n' "$@"; }
asks() { hv/probe "$kernel" "$kernel" >"$tmp/log" 2>&1; }
has() { grep -qx -- "-DHAVE_$1" "$tmp/log"; }
lacks() { ! has "$1"; }

check "a kernel without a list of its symbols is refused" eval '! asks && says "has no Module.symvers"'
tab clear_bhb_loop '' perf_guest_get_msrs 'module:kvm,kvm-amd,kvm-intel' cr4_update_irqsoff '' \
	>"$kernel/Module.symvers"
echo 'void vm_flags_set(struct vm_area_struct *vma);' >"$kernel/include/linux/mm.h"
check "the probe reads it" asks
check "a symbol for all modules is there" has CLEAR_BHB_LOOP
check "a symbol for KVM's modules is not" lacks PERF_GUEST_GET_MSRS
check "half of what belongs together is not" lacks CR4_UPDATE
check "a symbol that is no symbol of this kernel is not" lacks INTEL_PT_HANDLE_VMX
check "what a header declares is there" has VM_FLAGS_SET
check "what no header says is not" lacks STRUCT_SYSCORE
tab cr4_read_shadow '' >>"$kernel/Module.symvers"
check "both of what belongs together are" eval 'asks && has CR4_UPDATE'
printf 'struct syscore {\n' >"$kernel/include/linux/syscore_ops.h"
check "a header that changed is seen" eval 'asks && has STRUCT_SYSCORE'

# ---- kernels and headers it is not for ----

kdir=$(scripts/emulated-host --print kdir) || exit 1
cp -r hv "$tmp/hv"
kbuild() { make -C "$kdir" M="$tmp/hv" "$@" >"$tmp/log" 2>&1; }

check "a kernel older than 6.1 is refused" \
	eval '! kbuild VERSION=5 PATCHLEVEL=15 modules && says "this is Linux 5.15; it takes 6.1 or a later"'
check "6.0 is older than 6.1" eval '! kbuild VERSION=6 PATCHLEVEL=0 modules && says "it takes 6.1"'
kbuild VERSION=99 PATCHLEVEL=0 clean
check "one newer than was tried is named" says "Linux 99.0 is newer than any that it was tried on"
kbuild clean
check "one that was tried is not" eval '! says newer'

mkdir "$tmp/headers"
: >"$tmp/headers/Makefile"
echo 'CC = $(if $(X),ccache) $(CROSS_COMPILE)gcc-99' >"$tmp/headers/.kernelvariables"
load() { make -s B="$tmp/b" "$tmp/b/hv/penumbra.ko" KDIR="$1" >"$tmp/log" 2>&1; }
check "headers whose compiler is not there say which" \
	eval '! load "$tmp/headers" && says "ask for the compiler gcc-99, which is not installed"'
check "no headers at all" eval '! load "$tmp/nothing" && says "no kernel headers in $tmp/nothing"'
echo "1..$tests"
