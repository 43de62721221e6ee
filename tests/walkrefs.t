#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Page-walk references of one missing load, counted from the emulated CPU's own walker: 4 natively
# and under shadow paging, 24 for 4K pages on 4K EPT pages, 19 for 4K on 2M and for 2M on 4K. The
# other combinations follow: a walk of g levels whose every pointer, and whose result, takes a
# nested walk of e levels has (g + 1)(e + 1) - 1 references. The first write to a clean page adds a
# write, not a reference. EPT pages of 1 GiB cannot be had here: Bochs has 2 GiB at most, and of the
# second the kernel keeps the end; tests/walkunit.t holds the model against the formula there.
# WALK_ENGINES="native kvm penumbra" chooses; penumbra is skipped where the module is not built.
cd "$(dirname "$0")/.." || exit 1
B=${B:-build}
engines=${WALK_ENGINES:-native kvm penumbra}
module=$B/emulated/hv/penumbra.ko
make -s --no-print-directory "$B/walkcount" "$B/walkprobe.elf" "$B/runner" || {
	echo "Bail out! the programs do not build"
	exit 1
}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
mkfifo "$dir/pipe"
n=0
failed=0

# check DESCRIPTION GOT WANTED
check() {
	n=$((n + 1))
	if [ "$2" = "$3" ]; then
		echo "ok $n - $1: $3"
	else
		failed=1
		echo "not ok $n - $1: got '$2', should be '$3'"
	fi
}

# trace ARGUMENT...: the emulated host with these arguments; rows to $dir/rows, output to $dir/out
trace() {
	# Both ends opened here: a host that never starts must not leave the reader waiting.
	exec 3<>"$dir/pipe"
	exec 4<"$dir/pipe"
	"$B/walkcount" --no-header <&4 >"$dir/rows" 2>"$dir/count.err" 3>&- &
	counter=$!
	scripts/emulated-host --timeout 170 --trace "$dir/pipe" "$@" \
		>"$dir/out" 2>"$dir/err" 3>&- 4<&-
	status=$?
	exec 3>&- 4<&-
	wait "$counter" || status=99
	[ "$status" = 0 ] || sed 's/^/# /' "$dir/out" "$dir/err" "$dir/count.err"
}

levels() {
	case $1 in
	4k) echo 4 ;;
	2m) echo 3 ;;
	1g) echo 2 ;;
	esac
}

# check_case LABEL GUEST-PAGE EPT-PAGE ROW-NUMBER: rows of the load and of the first write
check_case() {
	label=$1 guest=$(levels "$2") nested=0
	[ "$3" = none ] || nested=$(levels "$3")
	# A shadow, or the bare machine, has one dimension: its page is the smaller of the two.
	want="1,$guest,0"
	[ "$nested" = 0 ] ||
		want="1,$guest,$(((guest + 1) * (nested + 1) - 1 - guest))"
	check "$label: walks, guest and nested references of a load" \
		"$(sed -n "$4p" "$dir/rows" | cut -d, -f3-5)" "$want"
}

for engine in $engines; do
	[ "$engine" = native ] || continue
	for page in 4k 2m 1g; do
		trace --bare "$B/walkprobe.elf" --append "page=$page"
		check "native, $page: the probe ran" "$status" 0
		check_case "native, $page" "$page" none 1
		check "native, $page: first write: references, flags written" \
			"$(sed -n 2p "$dir/rows" | cut -d, -f3-5,15)" "1,$(levels "$page"),0,1"
	done
done

# The rest in one boot. Each line of "cases" is: engine mode guest-page backing.
: >"$dir/cases"
for engine in $engines; do
	[ "$engine" = native ] && continue
	if [ "$engine" = penumbra ] && [ ! -e "$module" ]; then
		echo "# $module is not built: Penumbra is not tested"
		continue
	fi
	modes='ept shadow'
	[ "$engine" = kvm ] || modes='ept shadow ssp hybrid'
	for mode in $modes; do
		for backing in off thp; do
			for page in 4k 2m 1g; do
				[ "$mode" = ept ] || [ "$backing$page" = off4k ] || continue
				echo "$engine $mode $page $backing"
			done
		done
	done
done >"$dir/cases"

if [ -s "$dir/cases" ]; then
	trace -- bench/walk/host "$(awk '{
		print $1, $2, $4, 64, "walkprobe.elf", "page=" $3
	}' "$dir/cases")"
	check "all probes under a hypervisor ran" "$status" 0
	check "each has two regions" "$(wc -l <"$dir/rows")" \
		"$(($(wc -l <"$dir/cases") * 2))"
	row=1
	while read -r engine mode page backing; do
		ept=none
		if [ "$mode" = ept ]; then
			case $backing in
			off) ept=4k ;;
			thp) ept=2m ;;
			esac
		fi
		on=
		[ "$ept" = none ] || on=" on $ept EPT pages"
		check_case "$engine $mode, $page$on" "$page" "$ept" "$row"
		row=$((row + 2))
	done <"$dir/cases"
fi
echo "1..$n"
exit $failed
