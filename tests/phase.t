#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The phase diagram: the decision of a cell, and build/phase on hand-made figures whose answer can be
# worked out on paper.
cd "$(dirname "$0")/.." || exit 1
B=${B:-build}
make -s --no-print-directory "$B/tests/phase" "$B/phase" "$B/walkmodel" || {
	echo "Bail out! the programs do not build"
	exit 1
}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
"$B/tests/phase" >"$dir/unit"
failed=$?
grep -v '^1\.\.' "$dir/unit"
n=$(grep -c '^\(not \)\?ok' "$dir/unit")

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

# summary MODE UPDATES ELAPSED EXITS: a row; one exit in ten is a slice. Flushes by the host, and
# those that the guest makes without an exit, cost nothing on this CPU.
summary() {
	echo "penumbra,$1,phase,size:8192;updates:$2;ad:1,ticks,emulated,$3,$4,0.1,0,0.01,0,0,0,yes"
}
# cpu FILE EXIT_CYCLES...: one whose prices are known to the digit, but for those of an exit
cpu() {
	file=$1
	shift
	cat >"$file" <<-END
		name Paper # made up
		dtlb 4k 64 4 # made up
		itlb 4k 64 4 # made up
		exit_cycles $* # assumption
		exit_after_cycles 0 0 1 # assumption
		invvpid_cycles 0 0 1 # made up
		invlpg_cycles 0 0 1 # made up
		cr3_cycles 0 0 1 # made up
		walk_percent 100 100 100 # made up
		thousand_instructions_cycles 500 500 500 # assumption
	END
}
cpu "$dir/cpu.conf" 1000 1000 1000
{
	echo "engine,mode,workload,params,clock,host,elapsed_per_op,exits_per_op,exits_other_per_op,exits_invlpg_per_op,flush_guest_invlpg_per_op,flush_host_per_op,exits_cr3_per_op,flush_guest_cr3_per_op,checksum_agrees"
	summary shadow 0 10 0.1
	summary ept 0 10 0.1
	summary shadow 10 20 0.12
	summary ssp 10 15 0.11
	summary ept 10 10 0.1
	summary shadow 20 30 0.14
	echo "kvm,ept,phase,size:8192;updates:20;ad:1,ticks,emulated,1,0,0,0,0,0,0,0,yes"
	echo "penumbra,ept,chase,size:8192,ticks,emulated,1,0,0,0,0,0,0,0,yes"
} >"$dir/summary.csv"
{
	echo "engine,mode,workload,params,ops,walk_refs_guest,walk_refs_nested"
	for updates in 0 10; do
		for mode in shadow ssp; do
			echo "penumbra,$mode,phase,size:8192;updates:$updates;ad:1,100,400,0"
		done
		echo "penumbra,ept,phase,size:8192;updates:$updates;ad:1,100,400,500"
	done
} >"$dir/walks.csv"
{
	echo "size,updates,nested,cpu,translation_cycles_per_access,data_cycles_per_access"
	for updates in 0 10 20; do
		echo "8192,$updates,none,Paper,5,10"
		echo "8192,$updates,2m,Paper,5,10"
		echo "8192,$updates,4k,Paper,15,10"
	done
} >"$dir/modelled.csv"
"$B/phase" --summary "$dir/summary.csv" --walks "$dir/walks.csv" --modelled "$dir/modelled.csv" \
	--cpu "$dir/cpu.conf" --cells "$dir/cells.csv" --crossover "$dir/lines.csv" >"$dir/text"
check "it ends well" $? 0

# cell METRIC EPT-PAGE UPDATES: best, ratio and the costs
cell() {
	awk -F, -v metric="$1" -v page="$2" -v updates="$3" \
		'$2 == metric && $5 == page && $9 == updates {
			print $10 "," $11 "," $14 "," $15 "," $16 "," $17 }' "$dir/cells.csv"
}
check "measured: the same" "$(cell elapsed '' 0)" tie,1,10000,,,10000
check "measured: ept against the best shadow mode" "$(cell elapsed '' 10)" ept,1.5,20000,15000,,10000
check "measured: no ept, no winner" "$(cell elapsed '' 20)" ,,30000,,,
check "with references" "$(cell with_refs '' 10)" tie,1,24000,19000,,19000
check "with references: none counted" "$(cell with_refs '' 20)" ,,,,,
# 10 ticks x 0.5 + no exit + 5 + 10; for ept 15 + 10
check "modelled: walks decide" "$(cell cycles 4k 0)" shadow,1.5,20000,,,30000
# ssp: 15 x 0.5 + 0.01 x 1000 + 15
check "modelled: exits decide" "$(cell cycles 4k 10)" ept,1.083,45000,32500,,30000
check "modelled: with large pages more so" "$(cell cycles 2m 10)" ept,1.625,45000,32500,,20000
check "assumptions are counted" "$(awk -F, '$2 == "cycles" { print $6 }' "$dir/cells.csv" | sort -u)" 3
check "no line without ept at the greatest rate" \
	"$(awk -F, '$2 == "elapsed" { print $9 "," $10 }' "$dir/lines.csv")" ","
grep -v 'updates:20;' "$dir/summary.csv" >"$dir/two.csv"
"$B/phase" --summary "$dir/two.csv" --modelled "$dir/modelled.csv" --cpu "$dir/cpu.conf" \
	--cells "$dir/cells.csv" --crossover "$dir/lines.csv" >"$dir/text"
check "the line of the model" \
	"$(awk -F, '$5 == "4k" { print $9 "," $10 }' "$dir/lines.csv")" crosses,8
check "and on the terminal" "$(awk '$2 == "KiB" { print $3, $4, $5 }' "$dir/text")" "0 0 8"

# decide CPU-FILE: cells.csv, lines.csv and text of the two rates that have ept
decide() {
	"$B/phase" --summary "$dir/two.csv" --modelled "$dir/modelled.csv" --cpu "$1" \
		--cells "$dir/cells.csv" --crossover "$dir/lines.csv" >"$dir/text"
}
# A price that is a band. At 10 updates the exits of ssp cost from 0.01 x 0 to 0.01 x 3000, so
# that ept costs 30 against 22.5 to 52.5; at none nobody exits.
cpu "$dir/band.conf" 0 1000 3000
decide "$dir/band.conf"
check "a band: the winner changes inside it" "$(cell cycles 4k 10 | cut -d, -f1-2)" undecided,1.083
check "from where to where" \
	"$(awk -F, '$2 == "cycles" && $5 == "4k" && $9 == 10 { print $12 "," $13 }' "$dir/cells.csv")" \
	0.5713,1.333
check "a band: the same wins in all of it" "$(cell cycles 4k 0 | cut -d, -f1)" shadow
# Gaps: -10 at 0 in each case; at 10 from -7.5 (no crossing) to 22.5: 10 x 10 / 32.5.
check "the line has a band, too" \
	"$(awk -F, '$5 == "4k" { print $9 "," $10 "," $11 "," $12 }' "$dir/lines.csv")" crosses,8,3,inf
check "and no more digits than that on the terminal" \
	"$(sed -n 's/ *8 KiB .* \([0-9.]* to [>0-9.]*\)$/\1/p' "$dir/text")" "3 to >10"
check "what is measured has none" \
	"$(awk -F, '$2 == "elapsed" && $9 == 10 { print $10 "," $12 "," $13 }' "$dir/cells.csv")" \
	ept,0.6667,0.6667

# Each of the other prices, on its own: what it adds to 1,000 accesses at 10 updates.
# price NAME VALUE: costs of shadow and ept with that price known to be VALUE, all others 0
price() {
	{
		printf '%s # made up\n' "name Paper" "dtlb 4k 64 4" "itlb 4k 64 4"
		sed -n 's/^	PRICE(\([a-z0-9_]*\),.*/\1/p' bench/walk/cpu.h |
			while read -r name; do
				[ "$name" != "$1" ] && echo "$name 0 0 1 # made up" ||
					echo "$name $2 $2 $2 # made up"
			done
	} >"$dir/one.conf"
	sed 's/,0,0.01,0,0,0,yes$/,0.003,0.01,0.02,0.001,0.005,yes/' "$dir/two.csv" >"$dir/flushes.csv"
	"$B/phase" --summary "$dir/flushes.csv" --modelled "$dir/modelled.csv" --cpu "$dir/one.conf" \
		--cells "$dir/cells.csv" --crossover "$dir/lines.csv" >"$dir/text"
	cell cycles 4k 10 | cut -d, -f3,6
}
check "price of an exit" "$(price exit_cycles 100)" 12000,10000
check "price of what comes after" "$(price exit_after_cycles 200)" 14000,10000
check "price of an INVVPID" "$(price invvpid_cycles 100)" 12000,12000
check "price of an INVLPG without an exit" "$(price invlpg_cycles 100)" 10700,10700
check "price of a MOV to CR3 without an exit" "$(price cr3_cycles 100)" 10400,10400
check "share of a walk" "$(price walk_percent 40)" 12000,16000
check "price of instructions" "$(price thousand_instructions_cycles 100)" 12000,11000
# Exits of the host's own have a column: what is left is the guest's.
sed '1s/exits_other_per_op/exits_host_per_op/' "$dir/two.csv" >"$dir/host.csv"
mv "$dir/two.csv" "$dir/kept.csv"
mv "$dir/host.csv" "$dir/two.csv"
decide "$dir/cpu.conf"
check "exits of the host in a column of their own are not taken off again" \
	"$(cell cycles 4k 10)" tie,1.019,145000,132500,,130000
mv "$dir/kept.csv" "$dir/two.csv"
sed 's/,ticks,/,tsc,/' "$dir/two.csv" >"$dir/tsc.csv"
"$B/phase" --summary "$dir/tsc.csv" --modelled "$dir/modelled.csv" --cpu "$dir/cpu.conf" \
	--cells "$dir/cells.csv" --crossover "$dir/lines.csv" >/dev/null
check "cycles are no instructions: nothing is modelled from them" \
	"$(sed 1d "$dir/cells.csv" | cut -d, -f1-3 | sort -u)" measured,elapsed,tsc

# The updates of the generator: each is a walk where there was none.
walks() {
	"$B/walkmodel" --cpu bench/walk/cpus/skylake_x.conf --generate phase --size 128K --ops 10000 \
		--updates "$1" | tail -n 1 | cut -d, -f8
}
check "the generator: no walk in a small set" "$(walks 0)" 0
check "the generator: one for each update" "$(walks 10)" 100

# Bad input: a sentence and status 2.
refused() {
	what=$1
	shift
	"$B/phase" "$@" --cells "$dir/c" --crossover "$dir/l" >/dev/null 2>"$dir/err"
	check "$what" "$? $(grep -c '^phase: ' "$dir/err")" "2 1"
}
refused "no such file" --summary "$dir/none"
grep -v "phase,size" "$dir/two.csv" >"$dir/others.csv"
refused "no row of the workload" --summary "$dir/others.csv"
grep -v '^cr3_cycles' "$dir/cpu.conf" >"$dir/lacks.conf"
refused "a CPU that lacks a price" --summary "$dir/two.csv" \
	--modelled "$dir/modelled.csv" --cpu "$dir/lacks.conf"
refused "a CPU without any" --summary "$dir/two.csv" \
	--modelled "$dir/modelled.csv" --cpu bench/walk/cpus/bochs.conf
# script DESCRIPTION SENTENCE COMMAND...: the same of the scripts
script() {
	what=$1 sentence=$2
	shift 2
	"$@" >/dev/null 2>"$dir/err"
	check "$what" "$? $(grep -cF -- "$sentence" "$dir/err")" "2 1"
}
script "bench/phase: a folder that is not there" "phase: $dir/none: there is no such folder" \
	bench/phase "$dir/none"
script "bench/phase: a folder without results" "phase: $dir/raw.csv is not there" bench/phase "$dir"
script "bench/phase: a CPU that is not there, before anything runs" "cannot read none.conf" \
	env CPUS=none.conf bench/phase
script "bench/phase: a word that it does not know" "phase: --quick: unknown option" bench/phase --quick
bench/walk/host --help >"$dir/help"
check "bench/walk/host --help" "$? $(grep -c '^usage: ' "$dir/help")" "0 1"
mkdir "$dir/a folder"
cp results/reference/phase/*.csv results/reference/phase/env.txt "$dir/a folder/"
bench/phase "$dir/a folder" >"$dir/text" 2>&1
check "figures and picture are made again, in a folder with a space" \
	"$? $(cmp "$dir/a folder/phase.csv" results/reference/phase/phase.csv && echo same) $(
		[ -s "$dir/a folder/phase.svg" ] && echo drawn)" "0 same drawn"
echo "1..$n"
exit "$failed"
