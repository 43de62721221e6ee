#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Under nested virtualisation: Bochs, KVM with nested=1, a virtual machine with Linux, and in that
# Penumbra with the short matrix of tests/nested. KVM checks every field of a VMCS that a guest
# hypervisor enters with, and nobody here wrote it. What guests cause must be counted as on the bare
# emulated host, exit by exit, in every mode.
#
# Needs QEMU (Debian: qemu-system-x86), the VMM of the virtual machine in the middle.
cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh
B=${B:-build}

qemu=$(command -v qemu-system-x86_64-microvm || command -v qemu-system-x86_64) || {
	echo "1..0 # SKIP QEMU is not installed: apt install qemu-system-x86"
	exit 0
}
out=$(mktemp -d) || exit 1
trap 'rm -rf "$out"' EXIT
kernel=$(scripts/emulated-host --print vmlinuz) || exit 1
module=$(scripts/emulated-host --print module) || exit 1

# What a tree needs: in the virtual machine's, a program from busybox, our own, and the kernel's
# module; on the host, QEMU with its libraries and firmware.
make_virtual_machine() {
	root=$out/root
	mkdir -p "$root/bin" "$root/proc" "$root/sys" "$root/dev" "$root/tmp" "$root/etc" \
		"$root/penumbra/build" "$root/penumbra/tests"
	cp /bin/busybox "$root/bin/busybox"
	for applet in $(/bin/busybox --list); do
		[ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
	done
	echo 'root:x:0:0:root:/:/bin/sh' >"$root/etc/passwd"
	cp tests/nested/init.sh "$root/init"
	chmod +x "$root/init"
	cp -r bench scripts "$root/penumbra/"
	cp -r tests/nested "$root/penumbra/tests/"
	cp "$B/runner" "$B/suite.elf" "$root/penumbra/build/"
	objcopy --strip-unneeded -R .BTF "$module" "$root/penumbra/build/penumbra.ko"
	(cd "$root" && find . | cpio --quiet -R 0:0 -o -H newc) >"$host/nested/initrd"
}

make_host() {
	host=$out/host
	mkdir -p "$host/nested"
	cp "$qemu" "$host/nested/qemu"
	cp "$kernel" "$host/nested/vmlinuz"
	# The loader and each library where the program looks for it.
	for file in $(ldd "$qemu" | grep -o '/[^ ]*'); do
		mkdir -p "$host$(dirname "$file")"
		cp -L "$file" "$host$file"
	done
	for file in bios-microvm.bin linuxboot_dma.bin linuxboot.bin kvmvapic.bin; do
		for folder in /usr/share/qemu /usr/share/seabios /usr/lib/ipxe/qemu; do
			[ ! -e "$folder/$file" ] || cp -L "$folder/$file" "$host/nested/"
		done
	done
}

# result NAME STATUS: a TAP line of this file's own
result() {
	tests=$((tests + 1))
	if [ "$2" = 0 ]; then
		echo "ok $tests - $1"
	else
		echo "not ok $tests - $1"
	fi
}

# What the guest causes, a line for each mode, workload and repetition. Left out are times and exits of
# the host.
counts() {
	sed -n 's/^@csv //p' "$1" | tr -d '\r' | awk -F, '
		FNR == NR { for (i = 1; i <= NF; i++) if ($i ~ /^(mode|workload|params|rep|status|ops|exits|exits_.*|flush_guest_.*|emulated_stores|sptes_written|checksum|guest_faults)$/ && $i != "exits_host") take[i] = $i; next }
		{ line = ""; for (i = 1; i <= NF; i++) if (i in take) line = line " " take[i] "=" $i; print line }' "$out/columns" - | sort
}

# A CPU with the monitor trap flag. Without it a store that the decoder leaves to the CPU opens a
# window, which ends at the next exit: for a host interrupt, too, and here these exit at any time.
model=tigerlake
make_host
make_virtual_machine
"$B/runner" --columns >"$out/columns"
matrix="HOST_KIND=emulated CLOCK=ticks CONF=tests/nested/matrix.conf MEM=64 PMU=off HUGEPAGES=thp bench/matrix"
scripts/emulated-host --model $model --timeout 1000 -- sh -c "insmod build/emulated/hv/penumbra.ko && $matrix" \
	>"$out/bare.out" 2>"$out/bare.err"
result "the short matrix on the bare emulated host" $?
scripts/emulated-host --model $model --verbose --timeout 3000 --mem 1536 --kvm nested=1 --add "$host" \
	-- sh tests/nested/host.sh >"$out/nested.out" 2>"$out/nested.err"
result "the emulated host lived through it" $?
tr -d '\r' <"$out/nested.out" >"$out/said"
for words in "@host nested" "@matrix 0" "@unloaded" "@end"; do
	grep -qx "$words" "$out/said"
	result "the virtual machine says $words" $?
done
counts "$out/bare.out" >"$out/bare"
counts "$out/nested.out" >"$out/nested"
rows=$(wc -l <"$out/bare")
[ -s "$out/bare" ] && cmp -s "$out/bare" "$out/nested"
result "the same counts as on the bare host, $rows rows" $?
diff "$out/bare" "$out/nested" | head -n 20 | sed "s/^/# /" >&2
grep -v '^@csv\|^@progress\|^@env' "$out/said" | sed 's/^/# /' | tail -n 40
sed 's/^/# /' "$out/nested.err" | tail -n 20
plan
