#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scripts/load on machines of all kinds, none of them real: /proc and /sys are folders here, and the
# programs that would ask or change the kernel are stubs. Each refusal says what to do, and nothing
# is loaded after one. Then scripts/setup where nothing can be installed.
cd "$(dirname "$0")/.." || exit 1
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
count=0

stub() { # NAME: its text on standard input
	{
		echo '#!/bin/sh'
		cat
	} >"$tmp/bin/$1"
	chmod +x "$tmp/bin/$1"
}

# A machine where everything is as it should be; each test then breaks something.
machine() {
	rm -rf "${tmp:?}"/*
	mkdir -p "$tmp/bin" "$tmp/proc/self" "$tmp/proc/sys/kernel" "$tmp/sys/module/module/parameters" \
		"$tmp/sys/kernel/security" "$tmp/tree/scripts" "$tmp/tree/build/hv" "$tmp/headers"
	cp scripts/load "$tmp/tree/scripts/"
	: >"$tmp/tree/build/hv/penumbra.ko"
	: >"$tmp/headers/Makefile"
	echo "Linux version 6.12.1" >"$tmp/proc/version"
	echo "flags : fpu vmx sse" >"$tmp/proc/cpuinfo"
	echo "xfs 1 0 - Live 0x0" >"$tmp/proc/modules"
	echo "CapEff:	000001ffffffffff" >"$tmp/proc/self/status"
	echo 0 >"$tmp/proc/sys/kernel/modules_disabled"
	echo "[none] integrity confidentiality" >"$tmp/sys/kernel/security/lockdown"
	echo N >"$tmp/sys/module/module/parameters/sig_enforce"
	stub id <<-'END'
	echo 0
	END
	stub uname <<-'END'
	echo 6.12.1-amd64
	END
	stub dmesg <<-'END'
	echo "[ 1.0] x86/cpu: nothing to say"
	END
	stub modinfo <<-'END'
	case $2 in
	vermagic) echo "6.12.1-amd64 SMP preempt mod_unload modversions" ;;
	filename) echo /lib/modules/6.12.1-amd64/updates/dkms/penumbra.ko ;;
	esac
	END
	stub mokutil <<-'END'
	echo "SecureBoot disabled"
	END
	stub insmod <<-END
	echo "\${0##*/} \$*" >"$tmp/loaded"
	mkdir -p "$tmp/sys/module/penumbra/parameters"
	echo ept >"$tmp/sys/module/penumbra/parameters/paging_mode"
	END
	cp "$tmp/bin/insmod" "$tmp/bin/modprobe"
	stub rmmod <<-END
	rm -r "$tmp/sys/module/penumbra"
	END
}

load() {
	(cd "$tmp/tree" && PATH=$tmp/bin:$PATH PROC=$tmp/proc SYS=$tmp/sys KDIR=$tmp/headers \
		B=build scripts/load "$@") >"$tmp/out" 2>"$tmp/err"
	status=$?
}

result() { # STATUS NAME
	count=$((count + 1))
	if [ "$1" = 0 ]; then
		echo "ok $count - $2"
	else
		echo "not ok $count - $2"
		sed 's/^/# /' "$tmp/out" "$tmp/err"
	fi
}

# refused NAME WORDS...: status 1, one sentence with all of these, nothing loaded.
refused() {
	name=$1 good=0
	shift
	[ "$status" = 1 ] && [ "$(grep -c '^load: ' "$tmp/err")" = 1 ] || good=1
	[ ! -e "$tmp/sys/module/penumbra" ] || good=1
	for words; do
		grep -qF -- "$words" "$tmp/err" || good=1
	done
	result $good "$name"
}

# fails_with MESSAGE: insmod, as kmod's says it.
fails_with() {
	stub insmod <<-END
	echo "insmod: ERROR: could not insert module build/hv/penumbra.ko: $1" >&2
	exit 1
	END
	sed "s/insmod/modprobe/" "$tmp/bin/insmod" >"$tmp/bin/modprobe"
}

machine
load paging_mode=shadow vpid=0
[ "$status" = 0 ] && [ "$(cat "$tmp/loaded")" = "insmod build/hv/penumbra.ko paging_mode=shadow vpid=0" ] &&
	grep -q "loaded, paging_mode=ept" "$tmp/out"
result $? "loads, with its parameters"
load
status_before=$status
[ "$status_before" = 1 ] && grep -q "loaded already; scripts/load --unload" "$tmp/err"
result $? "loaded already"
load --unload
[ "$status" = 0 ] && [ ! -e "$tmp/sys/module/penumbra" ]
result $? "unloads"
load --unload
result "$status" "unloads what is not loaded"

machine
load
stub rmmod <<-'END'
echo "rmmod: ERROR: Module penumbra is in use" >&2
exit 1
END
load --unload
[ "$status" = 1 ] && grep -q "in use; end the programs that hold /dev/penumbra" "$tmp/err"
result $? "in use"

machine
rm -r "$tmp/proc"
load
refused "no /proc" "mount -t proc proc /proc"
load --why-not
[ "$status" = 1 ] && grep -q "mount -t proc" "$tmp/out" && [ "$(wc -l <"$tmp/out")" = 1 ]
result $? "no /proc: --why-not says the same and nothing else"

machine
rm -r "$tmp/sys/module"
load
refused "no /sys" "mount -t sysfs sysfs /sys"

machine
stub id <<-'END'
echo 1000
END
load
refused "not root" "needs root: sudo"

machine
echo "CapEff:	00000000a80425fb" >"$tmp/proc/self/status"
load
refused "a container" "container" "CAP_SYS_MODULE" "make bench HOST=emulated"

machine
echo "flags : fpu svm" >"$tmp/proc/cpuinfo"
load
refused "AMD" "AMD" "HOST=emulated"
echo "flags : fpu hypervisor" >"$tmp/proc/cpuinfo"
load
refused "a virtual machine without VT-x" "nested virtualisation" "nested=1"
echo "flags : fpu" >"$tmp/proc/cpuinfo"
load
refused "no VT-x" "there is no VT-x"
stub dmesg <<-'END'
echo "[ 0.2] x86/cpu: VMX (outside TXT) disabled by BIOS"
END
load
refused "VT-x off in the firmware" "switched off in the firmware" "Intel Virtualization Technology"

machine
rm "$tmp/proc/modules"
load
refused "a kernel without modules" "takes no modules"
machine
echo 1 >"$tmp/proc/sys/kernel/modules_disabled"
load
refused "modules switched off" "kernel.modules_disabled=1"

# KVM: a module that keeps VMX, one that does not, one that is at work, one that is no module.
kvm() { # REFERENCES ENABLE_VIRT_AT_LOAD
	machine
	mkdir -p "$tmp/sys/module/kvm/parameters" "$tmp/sys/module/kvm_intel"
	echo "$1" >"$tmp/sys/module/kvm_intel/refcnt"
	[ -z "$2" ] || echo "$2" >"$tmp/sys/module/kvm/parameters/enable_virt_at_load"
	echo "kvm_intel 1 0 - Live 0x0" >>"$tmp/proc/modules"
}
kvm 0 Y
load
refused "kvm_intel keeps VMX" "rmmod kvm_intel" "enable_virt_at_load=0"
kvm 0 N
load
result "$status" "kvm_intel with enable_virt_at_load=0"
kvm 0 ''
load
result "$status" "kvm_intel of a kernel before 6.12"
kvm 2 N
load
refused "KVM runs VMs" "runs virtual machines: end them"
kvm 0 Y
rm "$tmp/sys/module/kvm_intel/refcnt"
echo "xfs 1 0 - Live 0x0" >"$tmp/proc/modules"
load
refused "KVM built in" "boot with kvm.enable_virt_at_load=0"

machine
rm "$tmp/tree/build/hv/penumbra.ko"
load
refused "not built" "make load builds it"
rm "$tmp/headers/Makefile"
load
refused "headers missing" "linux-headers-6.12.1-amd64" "kernel-devel-6.12.1-amd64" "KDIR="
load --why-not no_headers
[ "$status" = 1 ] && grep -q "linux-headers-6.12.1-amd64" "$tmp/out"
result $? "one cause alone"
load --why-not weather
[ "$status" = 1 ] && grep -q "weather: no such cause" "$tmp/err"
result $? "an unknown cause"

machine
stub modinfo <<-'END'
[ "$2" != vermagic ] || echo "6.1.0-40-amd64 SMP"
END
load
refused "built for another kernel" "6.1.0-40-amd64" "6.12.1-amd64" "make load"
machine
fails_with "Invalid module format"
load
refused "the kernel finds the format wrong" "does not fit the running kernel" "make load"

# Secure Boot: known beforehand, unless the module is signed by somebody.
machine
echo "none [integrity] confidentiality" >"$tmp/sys/kernel/security/lockdown"
stub mokutil <<-'END'
echo "SecureBoot enabled"
END
load
refused "Secure Boot, not signed" "Secure Boot is on" "penumbra-dkms" \
	"mokutil --import /var/lib/" "Enroll MOK" "switch Secure Boot off"
rm "$tmp/bin/mokutil"
stub mokutil <<-'END'
exit 127
END
load
refused "locked down, not signed" "locked down (none [integrity] confidentiality)" "mokutil --import"
stub modinfo <<-'END'
case $2 in
vermagic) echo "6.12.1-amd64 SMP" ;;
signer) echo "DKMS module signing key" ;;
esac
END
load
result "$status" "locked down, signed"
for message in "Key was rejected by service" "Required key not available" "Operation not permitted"; do
	rm -rf "$tmp/sys/module/penumbra"
	fails_with "$message"
	load
	refused "signed, but: $message" "does not trust the key" "mokutil --import"
done
machine
echo Y >"$tmp/sys/module/module/parameters/sig_enforce"
load
refused "signatures enforced" "module.sig_enforce" "mokutil --import"

machine
fails_with "Invalid parameters"
stub dmesg <<-'END'
echo "[ 9.0] penumbra: paging_mode=x refused: no such mode; accepted are: shadow"
END
load paging_mode=x
refused "the module's own refusal" "paging_mode=x refused" "the lines above say why"

# From a package: DKMS's.
machine
: >"$tmp/tree/revision"
load ept_ad=0
[ "$status" = 0 ] && [ "$(cat "$tmp/loaded")" = "modprobe penumbra ept_ad=0" ]
result $? "from a package: DKMS's module"
machine
: >"$tmp/tree/revision"
stub modinfo <<-'END'
exit 1
END
load
refused "from a package: no module for this kernel" "linux-headers-6.12.1-amd64" "dkms autoinstall"
machine
: >"$tmp/tree/revision"
fails_with "Key was rejected by service"
load
refused "from a package: the key is not enrolled" "key that DKMS signs with" "mokutil --import"
load --no-such
refused "an unknown option" "--no-such: unknown option"

# A machine with these programs alone.
setup_with() { # TREE GROUP PROGRAM...
	rm -rf "${tmp:?}/bin" && mkdir "$tmp/bin"
	tree=$1 group=$2
	shift 2
	for program in dirname "$@"; do
		ln -s "$(command -v "$program" || echo /bin/true)" "$tmp/bin/$program"
	done
	shell=$(command -v sh)
	PATH=$tmp/bin "$shell" "$tree/scripts/setup" "$group" >"$tmp/out" 2>"$tmp/err"
	status=$?
}
machine
cp scripts/setup "$tmp/tree/scripts/"
setup_with "$tmp/tree" plots gnuplot python3
[ "$status" = 0 ] && [ ! -s "$tmp/err" ]
result $? "no apt-get, and the programs are there"
setup_with "$tmp/tree" plots python3
[ "$status" = 1 ] && grep -q "^setup: there is no apt-get here.* missing: gnuplot\. .*gnuplot-nox" "$tmp/err"
result $? "no apt-get, and a program is missing"
: >"$tmp/tree/revision"
setup_with "$tmp/tree" plots python3 apt-get dpkg-query
[ "$status" = 1 ] && grep -q "^setup: .*package's copy, which installs nothing.* missing: gnuplot\. " "$tmp/err"
result $? "a package's copy names what it wants, and installs nothing"
echo "1..$count"
