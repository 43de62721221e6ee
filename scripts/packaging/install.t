#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The packages in fresh systems: they install in a chroot of each Debian, DKMS builds the module for that
# Debian's kernel, the bench runs from them on the emulated host for a user who is not root, and a purge
# leaves nothing. Takes five minutes a system, root, and the network; SUITES="trixie" chooses.
#
# Mounts are in a namespace of their own, so nothing is left of them however this ends.
cd "$(dirname "$0")/../.." || exit 1
if [ "$(id -u)" != 0 ] || ! command -v debootstrap >/dev/null || ! command -v dh_dkms >/dev/null; then
	echo "1..0 # SKIP needs root, debootstrap and dh-dkms: sudo scripts/setup packages"
	exit
fi
if [ "${1-}" != --inside ]; then
	exec unshare --mount --propagation private "$PWD/scripts/packaging/install.t" --inside
fi
B=${B:-build}
SUITES=${SUITES:-bookworm trixie}
MIRROR=${MIRROR:-http://deb.debian.org/debian}
work=$PWD/$B/tests/install
count=0
trap 'cd /; umount -lq "$work"/*/proc "$work"/*/sys 2>/dev/null; rm -rf --one-file-system "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
mkdir -p "$work"

result() { # STATUS NAME
	count=$((count + 1))
	if [ "$1" = 0 ]; then
		echo "ok $count - $suite: $2"
	else
		echo "not ok $count - $suite: $2"
		tail -n 30 "$work/log" | sed 's/^/# /'
	fi
}

inside() { # COMMANDS [USER]
	chroot "$work/$suite" setpriv --reuid "${2:-0}" --regid "${2:-0}" --clear-groups env -i \
		PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
		DEBIAN_FRONTEND=noninteractive sh -c "$1" >"$work/log" 2>&1
}

said() {
	sed 's/^/# /' "$work/log"
}

# What a purge has to take away: not what a user's run has left with the user.
traces='find / -xdev -name "*penumbra*" ! -path "/home/*" ! -path "/debs*"; find /lib/modules -path "*/dkms/*"'
user=1000

suite=packages
B=$B/tests scripts/packaging/deb --no-lintian >"$work/log" 2>&1
result $? "they build"
# What penumbra recommends, but not what that recommends in turn.
recommended=$(dpkg-deb -f "$B"/tests/deb/penumbra_*.deb Recommends | tr -d ',')
if [ -z "$(git status --porcelain)" ]; then
	{ git clone -q . "$work/again" && "$work/again/scripts/packaging/deb" --no-lintian &&
		(cd "$B/tests/deb" && for deb in *.deb; do
			cmp "$deb" "$work/again/build/deb/$deb" || exit 1
		done); } >"$work/log" 2>&1
	result $? "the same bytes come out in another folder"
	rm -rf "$work/again"
fi
for suite in $SUITES; do
	debootstrap --variant=minbase "$suite" "$work/$suite" "$MIRROR" >"$work/log" 2>&1
	result $? "debootstrap"
	mkdir "$work/$suite/debs"
	cp "$B"/tests/deb/*.deb "$work/$suite/debs/"
	mount -t proc proc "$work/$suite/proc"
	mount -t sysfs sysfs "$work/$suite/sys"
	inside "apt-get update && apt-get install -y --no-install-recommends linux-headers-cloud-amd64 \
		$recommended /debs/*.deb"
	result $? "the packages install"
	inside 'dkms status; ls /lib/modules; dkms status | grep -q "^penumbra/.*-cloud-amd64.*: installed"'
	result $? "DKMS built the module for the kernel of this Debian"
	said
	# shellcheck disable=SC2016 # for the shell inside
	inside 'for dir in /lib/modules/*; do
			kernel=${dir##*/}
			[ -e "$dir/build" ] || continue
			modinfo -k $kernel -F filename penumbra && modinfo -k $kernel -F vermagic penumbra || exit 1
			modinfo -k $kernel -F vermagic penumbra | grep -q "^$kernel " || exit 1
		done'
	result $? "modinfo knows it"
	said
	inside "touch /before && mkdir /home/user && chown $user:$user /home/user"
	inside "cd /home/user && export HOME=/home/user &&
		penumbra-bench QUICK=1 REPS=1 WORKLOADS=pt_update MODES='shadow ept' &&
		grep -q ^penumbra,shadow,pt_update, penumbra-results/latest/raw.csv &&
		grep -q ^penumbra,ept,pt_update, penumbra-results/latest/raw.csv &&
		[ -s penumbra-results/latest/exits.svg ]" $user
	result $? "penumbra-bench runs on the emulated host, and not as root"
	inside 'find /usr -newer /before -type f | grep . && exit 1; exit 0'
	result $? "and writes nothing below /usr"
	inside 'apt-get purge -y penumbra penumbra-dkms'
	result $? "they can be purged"
	inside "{ $traces; } | grep . && exit 1; exit 0"
	result $? "a purge leaves nothing"
	umount -l "$work/$suite/proc" "$work/$suite/sys"
	rm -rf --one-file-system "${work:?}/$suite"
done
echo "1..$count"
