#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Figures repeat: a part of the matrix, run twice, each time in machines of its own, gives the same
# counts to the digit in every repetition and every mode, page walks included, and times that agree.
# And bench/compare, which says so, sees a difference where there is one. Both time exits as well.
set -u
cd "$(dirname "$0")/.." || exit 1
export B="${B:-build}"
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
n=0

# result STATUS NAME, of the command before
result() {
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n - $2"
	else
		echo "not ok $n - $2"
		sed "s/^/# /" "$dir/out" >&2
	fi
}

# The emulated host sees this tree and nothing else.
conf=$B/tests/repeat.conf
mkdir -p "$B/tests"
cat >"$conf" <<-'END'
	1 2 1 pt_update share=50 ops=400 walks=100
	1 2 1 fault_in  frames=fresh ops=100 walks=40
	1 2 1 ctx_switch procs=8 ops=100 walks=50
	1 2 1 protect   ops=2 walks=1
	1 2 1 mix       ops=1 walks=1
	1 2 1 upload    ops=20 gtt=64
END

bench() {
	HOST=emulated EXIT_TIMES=1 CONF="$conf" RESULTS_DIR="$dir/$1" SUMMARY=none DRAW=true MODES='' \
		WORKLOADS='' REPS='' QUICK='' ENGINES=penumbra bench/run >"$dir/out" 2>&1
}
bench one
result $? "a part of the matrix"
bench two
result $? "the same once more"
one=$dir/one/latest two=$dir/two/latest

[ "$(sed 1d "$one/raw.csv" | grep -c ,ok,)" = 68 ]
result $? "68 rows: five workloads in four modes, three repetitions; one in four gtt_modes, two"
bench/compare "$one" >"$dir/out"
result $? "no count differs between repetitions"
bench/compare --all "$one" "$two" >"$dir/out"
result $? "nor from one run to the other; times agree"
sed 's/^/# /' "$dir/out"

# Each cause as often as the hypervisor counted it in another repetition of the same line, and all exits
# have a cause. What raw.csv has no column for is exits_other.
awk -F, '
	FNR == 1 {
		delete at
		for (i = 1; i <= NF; i++)
			at[$i] = i
		next
	}
	{ key = $at["mode"] " " $at["workload"] " " $at["params"] " " $at["gtt_mode"] }
	FILENAME ~ /exits.csv$/ {
		if ($at["ticks_min"] <= 0 || $at["ticks_min"] > $at["ticks_mean"] + 0.05 ||
		    $at["ticks_mean"] > $at["ticks_max"] + 0.05)
			print "wrong order: " $0
		timed[key " " $at["cause"]] = $at["exits"]
		if ($at["cause"] != "exits_host")
			sum[key] += $at["exits"]
		rows++
		next
	}
	$at["rep"] == 1 {
		if (sum[key] + 0 != $at["exits"])
			print key ": " $at["exits"] " exits, " sum[key] + 0 " timed"
		for (name in at)
			if (name ~ /^exits_/ && name !~ /^exits_(host|other)$/ &&
			    $at[name] + 0 != timed[key " " name] + 0)
				print key ": " $at[name] " " name ", " timed[key " " name] + 0 " timed"
		lines++
	}
	END {
		if (rows < 40 || lines != 24)
			print rows + 0 " causes of " lines + 0 " lines, 40 of 24 are expected"
	}' "$one/exits.csv" "$one/raw.csv" >"$dir/out"
[ ! -s "$dir/out" ]
result $? "exits are timed, each cause as often as it is counted, minimum, mean, maximum in order"
for run in "$one" "$two"; do
	grep -v ,exits_host, "$run/exits.csv" >"$dir/$(basename "$(dirname "$run")").times"
done
diff "$dir/one.times" "$dir/two.times" >"$dir/out"
result $? "and what they take is the same in both runs"

# with COLUMN VALUE [ROW-PATTERN]: the second run with another value there
with() {
	mkdir -p "$dir/changed"
	awk -F, -v OFS=, -v name="$1" -v value="$2" -v pattern="${3:-shadow,mix,-,1,}" '
		NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) column = i }
		NR > 1 && $0 ~ pattern { $column = value }
		{ print }' "$two/raw.csv" >"$dir/changed/raw.csv"
}

with exits 99999
! bench/compare "$dir/changed" >"$dir/out" && grep -q "shadow: exits from .* in 2 repetitions" "$dir/out"
result $? "a count of one repetition that is another is seen"
with exits 99999 'shadow,mix,-,[0-9]'
! bench/compare "$one" "$dir/changed" >"$dir/out" && grep -q "shadow: exits .* -> 99999 (+" "$dir/out"
result $? "and of both, against the other run"
with walks 1 'ept,mix,-,traced'
! bench/compare "$one" "$dir/changed" >"$dir/out" && grep -q "ept: walks (traced) .* -> 1 (" "$dir/out"
result $? "so are page walks"
with elapsed 900000000 'ssp,mix,-,[0-9]'
! bench/compare "$one" "$dir/changed" >"$dir/out" && grep -q "ssp: elapsed .* -> 900000000 .* noise" "$dir/out"
result $? "and a time that is more than the noise"
grep -v ',hybrid,mix,' "$two/raw.csv" >"$dir/changed/raw.csv"
! bench/compare "$one" "$dir/changed" >"$dir/out" && grep -q "mix -, penumbra hybrid: in the first run alone" "$dir/out"
result $? "and a row that is gone"
bench/compare "$dir/absent" 2>"$dir/out"
[ $? = 2 ] && grep -q "absent is not there: a folder of results" "$dir/out"
result $? "a run that is not there"
bench/compare --most "$one" >"$dir/out" 2>&1
[ $? = 2 ]
result $? "an option that is not known"
echo "1..$n"
