#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Which kernel and which Bochs: what is said of names that stand for nothing, of machines without a
# network or without apt-get. No emulator is started.
cd "$(dirname "$0")/.." || exit 1
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
tests=0
unset EMULATED_KERNEL EMULATED_BOCHS

check() { # NAME COMMAND...
	name=$1
	shift
	tests=$((tests + 1))
	if "$@"; then
		echo "ok $tests - $name"
	else
		echo "not ok $tests - $name"
		sed 's/^/# /' "$tmp/out" "$tmp/err"
	fi
}

# A tree of its own, in which nothing has been downloaded.
mkdir -p "$tmp/tree/tests"
cp -r scripts "$tmp/tree/"
cp tests/kernels.conf "$tmp/tree/tests/"

host() {
	"$tmp/tree/scripts/emulated-host" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	status=$?
}

refuses() { # TEXT: one sentence with it, status 125, and nothing left
	[ "$status" = 125 ] && [ ! -s "$tmp/out" ] && grep -q -- "$1" "$tmp/err" &&
		[ "$(grep -c '^emulated-host:' "$tmp/err")" = 1 ] &&
		[ -z "$(find "$tmp/tree/build" -path '*/kernels/*' -o -path '*/bochs/*' -name '[!.]*' 2>/dev/null)" ]
}

host --kernel potato --print kdir
check "a kernel with a name that no suite has" refuses "no such kernel; say a suite (bookworm"
host --kernel linux-image-cloud-amd64/potato --print kdir
check "a package of no suite" refuses "potato is no suite"
host --kernel ./nowhere --print kdir
check "a folder that is not there" refuses "nowhere: no such folder"
mkdir -p "$tmp/empty"
host --kernel "$tmp/empty" --print kdir
check "a folder without a kernel" refuses "no kernel was built there (include/config/kernel.release is missing)"
host --bochs potato --print bochs-version
check "a Bochs of no suite" refuses "no such suite"
host --bochs ./nowhere --print bochs-version
check "a Bochs that is not there" refuses "no Bochs is there"
host --bochs /bin/true --print bochs-version
check "a program that is no Bochs" refuses "is it one?"

# A kernel of one's own
mkdir -p "$tmp/own/include/config"
echo 6.6.6-own >"$tmp/own/include/config/kernel.release"
echo ELF >"$tmp/own/vmlinux"
echo all: >"$tmp/own/Makefile"
host --kernel "$tmp/own" --print kernel-version
check "a kernel of one's own says its release" [ "$(cat "$tmp/out")" = 6.6.6-own ]
host --kernel "$tmp/own" --print kdir
check "modules are built in its folder" [ "$(cat "$tmp/out")" = "$tmp/own" ]
host --kernel "$tmp/own" --print module
module=$(cat "$tmp/out")
check "and have a place of their own" [ "${module#build/emulated/kernels/6.6.6-own@*/hv/penumbra.ko}" = "" ]
cp -r "$tmp/own" "$tmp/other"
EMULATED_KERNEL=$tmp/other host --print module
check "which is not that of another kernel of the same release" [ "$(cat "$tmp/out")" != "$module" ]
rm -r "$tmp/tree/build"

# A Bochs that nobody knows
cat >"$tmp/bochs" <<'END'
#!/bin/sh
echo corei7_skylake_x >&2
echo "          Bochs x86 Emulator 9.9" >&2
END
chmod +x "$tmp/bochs"
host --bochs "$tmp/bochs" --print bochs-version
check "a Bochs of an unknown version gets a warning" grep -q "Bochs 9.9 has not been tried: " "$tmp/err"
check "and is taken" [ "$status" = 0 ]

# No network: nothing listens there.
export http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9
host --print kdir
check "no network and no kernel" refuses "is not below build/, and the package lists of .* cannot be downloaded: is there a network?"
host --kernel trixie --print kdir
check "no network and none of another suite" refuses "the kernel trixie is not below build/"
host --bochs trixie --print bochs-version
check "no network and no Bochs of another suite" refuses "the Bochs of trixie is not below build/"
mkdir -p "$tmp/tree/build/emulated/names" "$tmp/tree/build/emulated/kernels/6.1.0-1-cloud-amd64"
: >"$tmp/tree/build/emulated/kernels/6.1.0-1-cloud-amd64/vmlinuz"
echo 6.1.0-1-cloud-amd64 >"$tmp/tree/build/emulated/names/trixie"
host --kernel trixie --print kernel-version
check "no network is needed for a kernel that is there" [ "$(cat "$tmp/out")" = 6.1.0-1-cloud-amd64 ]
host --kernel 6.1.0-1-cloud-amd64 --print kernel-version
check "its version names it" [ "$(cat "$tmp/out")" = 6.1.0-1-cloud-amd64 ]
rm -r "$tmp/tree/build"

# No apt-get: all programs but that and one more.
mkdir "$tmp/bin"
for program in /usr/bin/* /bin/* /usr/sbin/*; do
	case ${program##*/} in
	apt-get | zstd) ;;
	*) ln -sf "$program" "$tmp/bin/" ;;
	esac
done
PATH=$tmp/bin "$tmp/tree/scripts/setup" emulated >"$tmp/out" 2>"$tmp/err"
check "without apt-get what is missing is named" grep -q "missing: zstd. Debian has them in: .* zstd" "$tmp/err"
ln -s /bin/true "$tmp/bin/zstd"
PATH=$tmp/bin "$tmp/tree/scripts/setup" emulated >"$tmp/out" 2>"$tmp/err"
check "and a kernel of one's own is asked for" grep -q "needs apt-get.*say --kernel DIR" "$tmp/err"
PATH=$tmp/bin EMULATED_KERNEL=$tmp/own "$tmp/tree/scripts/setup" emulated >"$tmp/out" 2>"$tmp/err"
check "and does" [ $? = 0 ]
echo "1..$tests"
