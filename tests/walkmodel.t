#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The page-walk model against the emulated CPU's own walker: with Bochs's TLBs and no other caches
# it must arrive at the very walks and references that the trace of the same accesses has. Native,
# KVM with and without EPT, and Penumbra in every mode; a pointer chase and random updates of 4 KiB
# and 2 MiB pages, and processes that take turns. None of them uses INVLPG, which a trace does not
# show. WALK_ENGINES and WALK_OPS choose less or more.
cd "$(dirname "$0")/.." || exit 1
B=${B:-build}
engines=${WALK_ENGINES:-native kvm penumbra}
ops=${WALK_OPS:-5000}
module=$B/emulated/hv/penumbra.ko
make -s --no-print-directory "$B/walkmodel" "$B/suite.elf" "$B/runner" || {
	echo "Bail out! the programs do not build"
	exit 1
}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
mkfifo "$dir/pipe"
n=0
failed=0

# say DESCRIPTION FINE DETAIL
say() {
	n=$((n + 1))
	if [ "$2" = yes ]; then
		echo "ok $n - $1: $3"
	else
		failed=1
		echo "not ok $n - $1: $3"
	fi
}

# trace ARGUMENT...: the emulated host with these arguments; the model's verdicts to $dir/rows
trace() {
	# Both ends opened here: a host that never starts must not leave the reader waiting.
	exec 3<>"$dir/pipe"
	exec 4<"$dir/pipe"
	"$B/walkmodel" --check --name trace <&4 >"$dir/all" 2>"$dir/model.err" 3>&- &
	model=$!
	scripts/emulated-host --timeout 170 --trace "$dir/pipe" "$@" \
		>"$dir/out" 2>"$dir/err" 3>&- 4<&-
	status=$?
	exec 3>&- 4<&-
	wait "$model"
	sed 1d "$dir/all" >"$dir/rows"
	[ "$status" = 0 ] || sed 's/^/# /' "$dir/out" "$dir/err" "$dir/model.err"
}

# verdict LABEL ROW-NUMBER
verdict() {
	found=$(sed -n "$2p" "$dir/rows")
	fine=no
	case $found in
	*,same) fine=yes ;;
	esac
	say "$1" "$fine" "$(echo "$found" | awk -F, '{
		print "walks " $3 "=" $4 ", guest " $5 "=" $6 ", nested " $7 "=" $8 \
			", not foreseen " $9 ", not made " $10 ", taken as shown " $11
	}')"
}

# workload NAME PAGE: its command line
workload() {
	case $1 in
	ctx_switch) echo "workload=$1 procs=4 ops=200 directmap=4k trace=1" ;;
	*) echo "workload=$1 size=16M ops=$ops page=$2 directmap=4k trace=1" ;;
	esac
}

streams='chase 4k
chase 2m
gups 4k
gups 2m
ctx_switch 4k'

for engine in $engines; do
	[ "$engine" = native ] || continue
	echo "$streams" >"$dir/streams"
	while read -r name page; do
		trace --bare "$B/suite.elf" --append "$(workload "$name" "$page")" </dev/null
		verdict "native, $name, $page" 1
	done <"$dir/streams"
done

for engine in $engines; do
	case $engine in
	kvm) modes='ept shadow' ;;
	penumbra)
		modes='ept shadow ssp hybrid'
		[ -e "$module" ] || echo "# $module is not built: Penumbra is not tested"
		[ -e "$module" ] || continue
		;;
	*) continue ;;
	esac
	for mode in $modes; do
		# One with the small EPT pages is enough: they make long traces.
		[ "$mode" = ept ] && echo "$engine $mode chase 4k off"
		echo "$streams" | sed "s/^/$engine $mode /; s/\$/ thp/"
	done
done >"$dir/cases.all"
grep '^#' "$dir/cases.all"
grep -v '^#' "$dir/cases.all" >"$dir/cases"

if [ -s "$dir/cases" ]; then
	while read -r engine mode name page backing; do
		echo "$engine $mode $backing 128 suite.elf $(workload "$name" "$page")"
	done <"$dir/cases" >"$dir/guests"
	trace -- bench/walk/host "$(cat "$dir/guests")"
	[ "$status" = 0 ] && fine=yes || fine=no
	say "every workload ran" "$fine" "status $status"
	row=1
	while read -r engine mode name page backing; do
		verdict "$engine $mode, $name, $page, backing $backing" "$row"
		row=$((row + 1))
	done <"$dir/cases"
fi
echo "1..$n"
exit $failed
