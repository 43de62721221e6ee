#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The Debian packages: they build, lintian finds nothing, and what is in them works from where it is,
# unpacked but not installed. That they install, build the module and run the bench in fresh systems is
# scripts/packaging/install.t's to show.
cd "$(dirname "$0")/.." || exit 1
for program in dpkg-buildpackage dh dh_dkms lintian; do
	command -v "$program" >/dev/null || {
		echo "1..0 # SKIP $program is not here: not Debian, or scripts/setup packages has not run"
		exit
	}
done
B=${B:-build}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
count=0 status=0
: >"$tmp/out"
: >"$tmp/err"

result() { # STATUS NAME
	count=$((count + 1))
	if [ "$1" = 0 ]; then
		echo "ok $count - $2"
	else
		echo "not ok $count - $2"
		tail -n 30 "$tmp/out" "$tmp/err" | sed 's/^/# /'
	fi
}

run() {
	"$@" >"$tmp/out" 2>"$tmp/err"
	status=$?
}

run env B="$B/tests" scripts/packaging/deb
result $status "the packages build, and lintian finds nothing"
if [ $status != 0 ]; then
	echo "1..$count"
	exit
fi
root=$tmp/root
for deb in "$B"/tests/deb/*.deb; do
	dpkg-deb -x "$deb" "$root" || status=1
done
result $status "they unpack: $(cd "$B/tests/deb" && echo ./*.deb)"
version=$(dpkg-deb -f "$B"/tests/deb/penumbra_*.deb Version)
run find "$root" -mindepth 1 -maxdepth 1 ! -name usr
[ ! -s "$tmp/out" ]
result $? "all of it is below /usr"
run find "$root/usr" -xtype l
[ ! -s "$tmp/out" ]
result $? "no link points into the void"

# The module.
source=$root/usr/src/penumbra-$version
diff -r hv "$source" >"$tmp/out" 2>"$tmp/err"
grep -v '^Only in .*: dkms.conf$' "$tmp/out" >"$tmp/err"
[ ! -s "$tmp/err" ]
result $? "the module's source is hv, all of it"
# shellcheck source=/dev/null
(. "$source/dkms.conf" && [ "$PACKAGE_VERSION" = "$version" ] && [ "$PACKAGE_NAME" = penumbra ] &&
	for kernel in 6.1.0-1-amd64 6.12.3 7.2.0 10.0; do
		echo $kernel | grep -qE "$BUILD_EXCLUSIVE_KERNEL" || exit 1
	done && ! echo 5.15.0 | grep -qE "$BUILD_EXCLUSIVE_KERNEL") >"$tmp/out" 2>&1
result $? "DKMS is told this version, and kernels from 6.1 on"

# The commands.
bin=$root/usr/bin
run "$bin/penumbra-runner" --columns
[ $status = 0 ] && grep -q '^engine,mode,' "$tmp/out"
result $? "penumbra-runner runs"
run "$root/usr/sbin/penumbra-load" --print-module
[ $status = 0 ] && [ "$(cat "$tmp/out")" = penumbra ]
result $? "penumbra-load wants DKMS's module"
for arguments in "moon" "bench moon" "report" "report $tmp/absent"; do
	# shellcheck disable=SC2086 # words
	run "$bin/penumbra-bench" $arguments
	[ $status = 2 ] && [ "$(wc -l <"$tmp/err")" = 1 ]
	result $? "penumbra-bench $(echo "$arguments" | sed "s|$tmp/||"): refused in one sentence"
done
: >"$tmp/file"
run env XDG_CACHE_HOME="$tmp/file" "$bin/penumbra-bench" QUICK=1
[ $status = 2 ] && grep -q "cannot write in .*XDG_CACHE_HOME" "$tmp/err"
result $? "a cache that cannot be written"

# A task that needs no emulator, from the copy in the user's cache.
mkdir "$tmp/run"
cp results/reference/run/raw.csv "$tmp/run/" || exit 1
: >"$tmp/before"
run env XDG_CACHE_HOME="$tmp/cache" "$bin/penumbra-bench" plots "$tmp/run"
[ $status = 0 ] && [ -s "$tmp/run/exits.svg" ]
result $? "penumbra-bench plots draws a run"
copy=$tmp/cache/penumbra
run find "$copy/build" -newer "$tmp/before" -type f
[ ! -s "$tmp/out" ]
result $? "and has nothing to build for it"
programs=$(cd "$root/usr/lib/penumbra" && find build -type f ! -path 'build/emulated/*')
# shellcheck disable=SC2086 # a list of targets
run env -u MAKEFLAGS -u B make -q -C "$copy" $programs emulated-tools
result $status "make finds the package's programs up to date in the copy"
[ -f "$copy/hv/Kbuild" ] && [ ! -L "$copy/hv" ]
result $? "the copy has the module's source"
echo old >"$copy/revision"
mkdir -p "$copy/build/emulated/kernels" "$copy/build/guest"
: >"$copy/build/emulated/kernels/download"
run env XDG_CACHE_HOME="$tmp/cache" "$bin/penumbra-bench" plots "$tmp/run"
[ $status = 0 ] && cmp -s "$copy/revision" "$root/usr/lib/penumbra/revision" &&
	[ -e "$copy/build/emulated/kernels/download" ] && [ ! -e "$copy/build/guest" ]
result $? "another version makes the copy anew and keeps downloads"
run find "$root" -newer "$tmp/before"
[ ! -s "$tmp/out" ]
result $? "nothing was written below /usr"

# The manual.
sed -n 's/^module_param_cb(\([a-z_]*\),.*/\1/p' hv/*.c | sort >"$tmp/declared"
zcat "$root"/usr/share/man/man4/penumbra.4.gz | grep -A1 '^\.TP' | sed -n 's/^\.B \([a-z_]*\)$/\1/p' |
	sort >"$tmp/described"
[ -s "$tmp/declared" ] && diff "$tmp/declared" "$tmp/described" >"$tmp/out"
result $? "penumbra(4) has all parameters of the module"
missing=
for page in penumbra-bench.1 penumbra-runner.1 penumbra-emulated-host.1 penumbra-load.8 penumbra.4; do
	zcat "$root/usr/share/man/man${page##*.}/$page.gz" >"$tmp/page" 2>/dev/null || missing="$missing $page"
	! grep -q '^@' "$tmp/page" || missing="$missing $page"
	[ "${page##*.}" = 4 ] || grep -q '^usage: ' "$tmp/page" || missing="$missing $page"
done
[ -z "$missing" ]
result $? "manual pages, with the commands' own usage${missing:+; missing:$missing}"
echo "1..$count"
