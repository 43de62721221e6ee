#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Does docs/native.md's way to a bare machine work?  Debian's kernel on QEMU's emulated PC, which has
# neither a row port nor an exit port, starts the guest image by kexec; what comes out of the serial
# port becomes CSV.  Ten seconds; needs QEMU and kexec-tools, which nothing else here does
# (scripts/setup test).
set -u

top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit 1
for program in qemu-system-x86_64 busybox cpio; do
	if ! command -v $program >/dev/null; then
		echo "Bail out! $program is not installed: run scripts/setup test"
		exit 1
	fi
done
# Any kernel will do: the default one.
vmlinuz=$(scripts/emulated-host --kernel default --print vmlinuz) || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
count=0

# check NAME COMMAND...: passes if the command does
check() {
	name=$1
	shift
	count=$((count + 1))
	if "$@"; then
		echo "ok $count - $name"
	else
		echo "not ok $count - $name"
		tail -n 20 "$work/serial" | sed 's/^/# /'
	fi
}

# Installed, or unpacked with its libraries.
unpacked=
kexec=$(PATH=$PATH:/sbin:/usr/sbin command -v kexec) || {
	unpacked=$(scripts/emulated/fetch package kexec-tools) || exit 1
	kexec=$(find "$unpacked" -path '*sbin/kexec')
}
mkdir -p "$work/tree/bin" "$work/tree/proc" "$work/tree/lib64" "$work/tree/lib/x86_64-linux-gnu"
cp /bin/busybox "$kexec" build/suite.elf "$work/tree/bin/"
libraries=$unpacked/usr/lib/x86_64-linux-gnu:$unpacked/lib/x86_64-linux-gnu
for library in $(LD_LIBRARY_PATH=$libraries ldd "$kexec" | grep -o '/[^ ]*'); do
	case $library in
	*/ld-linux*) cp -L "$library" "$work/tree/lib64/" ;;
	*) cp -L "$library" "$work/tree/lib/x86_64-linux-gnu/" ;;
	esac
done
cat >"$work/tree/init" <<'END'
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
line=$(/bin/busybox sed -n 's/.* guest="\([^"]*\)".*/\1/p' /proc/cmdline)
/bin/kexec -l /bin/suite.elf --args-linux --command-line="$line" && /bin/kexec -e
/bin/busybox poweroff -f
END
chmod +x "$work/tree/init"
(cd "$work/tree" && find . | cpio --quiet -o -H newc >"$work/initrd")

# bare CPU LINE: what the serial port says is in $work/serial.
bare() {
	timeout 120 qemu-system-x86_64 -accel tcg -cpu "$1" -m 512 -nodefaults -display none \
		-no-reboot -serial "file:$work/serial" -initrd "$work/initrd" \
		-kernel "$vmlinuz" \
		-append "console=ttyS0,115200 quiet guest=\"$2 end=reset\" " </dev/null 2>"$work/err"
}

line="workload=pt_update share=50 reps=2"
bare Skylake-Client "$line"
check "the image starts by kexec, ends well, and resets the machine" [ $? = 0 ]
check "its status is on the serial port" grep -aqx "status=0.*" "$work/serial"
build/runner --rows "$work/serial" --append "$line" --csv "$work/native.csv" \
	--tag engine=native,mode=native,host=emulated,clock=tsc
check "its rows become CSV" [ "$(grep -c '^native,native,pt_update,.*,ok,' "$work/native.csv")" = 2 ]
bare max "$line"
check "5-level paging is refused with a sentence" grep -aq "give the kernel.* no5lvl" "$work/serial"
echo "1..$count"
