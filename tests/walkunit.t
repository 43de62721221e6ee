#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# What counts and models page walks, without an emulator: unit tests, then the model's references
# for every combination of page sizes against the formula, then bad input.
cd "$(dirname "$0")/.." || exit 1
B=${B:-build}
make -s --no-print-directory "$B/tests/walk" "$B/walkcount" "$B/walkmodel" "$B/walkpmu" || {
	echo "Bail out! the programs do not build"
	exit 1
}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
# Messages about the bad files that it tries are expected.
"$B/tests/walk" bench/walk/cpus/*.conf 2>"$dir/err" >"$dir/unit"
unit=$?
grep -v '^1\.\.' "$dir/unit"
n=$(grep -c '^\(not \)\?ok' "$dir/unit")
failed=$unit

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

check "the unit tests end with a plan and status 0" \
	"$unit $(tail -n 1 "$dir/unit" | cut -c1-3)" '0 1..'

for page in 4k:4 2m:3 1g:2; do
	for nested in none:0 4k:4 2m:3 1g:2; do
		want=$(((${page#*:} + 1) * (${nested#*:} + 1) - 1))
		got=$("$B/walkmodel" --cpu bench/walk/cpus/bochs.conf --generate chase --size 64M \
			--page "${page%:*}" --nested "${nested%:*}" --ops 1000 | tail -n 1 | cut -d, -f11)
		check "${page%:*} pages, nested ${nested%:*}: references per walk, no caches" \
			"$got" "$want.000"
	done
done

# A trace of 2,000,000 lines, of another page each time, must be counted at 300,000 lines a second.
awk 'BEGIN {
	print "# region 1 begins at tick 1"
	head = "[CPU0 RD]: "
	for (i = 0; i < 400000; i++) {
		pt = int(i / 512)
		pd = int(pt / 512)
		print head "PHY 0x000001011010 (len=8, WB): 0x00000000 0x01017023\t; PML4E"
		printf head "PHY 0x%012x (len=8, WB): 0x00000000 0x00101023\t; PDPTE\n", 16871424 + pd * 8
		printf head "PHY 0x%012x (len=8, WB): 0x00000000 0x00102023\t; PDE\n", 1052672 + pt * 8
		printf head "PHY 0x%012x (len=8, WB): 0x00000000 0x00100123\t; PTE\n", 2097152 + i * 8
		printf head "LIN 0x0000010%09x PHY 0x%012x (len=8, WB): 0x00000000 0x00000000\n", \
			i * 4096, 268435456 + i * 4096
	}
	print "# region 1 ends at tick 2"
}' >"$dir/trace"
"$B/walkcount" --speed --no-header <"$dir/trace" >"$dir/rows" 2>"$dir/speed"
check "a long trace: walks, guest and nested references, references per walk" \
	"$(cut -d, -f3-6 "$dir/rows")" 400000,1600000,0,4.000
speed=$(sed -n 's/.*: \([0-9]*\) lines.s$/\1/p' "$dir/speed")
echo "# $speed lines a second"
check "at least 300000 lines a second" "$([ "${speed:-0}" -ge 300000 ] && echo yes)" yes

# Prices: each CPU that is sold has all of them, with a source each, and no field holds a comma.
prices=$(sed -n 's/^#define CPU_PRICES.*/x/; s/^	PRICE(\([a-z0-9_]*\),.*/\1/p' bench/walk/cpu.h | wc -l)
for cpu in bench/walk/cpus/*.conf; do
	case $cpu in
	*/bochs.conf) want=0 ;;
	*) want=$prices ;;
	esac
	check "$(basename "$cpu"): prices, of seven fields each with a source" \
		"$("$B/walkmodel" --prices --cpu "$cpu" | awk -F, 'NR > 1 && NF == 7 && $7 != "" &&
			$3 <= $4 && $4 <= $5 { n++ } END { print n + 0 }')" "$want"
done

# Bad input: a sentence and a status, never a wrong row.
status() {
	"$@" >"$dir/out" 2>"$dir/err" </dev/null
	echo "$? $(grep -c . "$dir/err")"
}
head -n 100 "$dir/trace" >"$dir/cut"
check "walkcount: a trace without its end" "$(status "$B/walkcount" "$dir/cut")" "1 1"
check "walkmodel: the same" "$(status "$B/walkmodel" --check "$dir/cut")" "2 1"
echo "hello" >"$dir/hello"
check "walkcount: no trace at all" "$(status "$B/walkcount" "$dir/hello")" "1 1"
check "walkmodel: the same" "$(status "$B/walkmodel" --check "$dir/hello")" "2 1"
check "walkcount: a file that is not there" "$(status "$B/walkcount" "$dir/none")" "2 1"
check "walkmodel: no CPU" "$(status "$B/walkmodel" "$dir/cut")" "2 1"
check "walkmodel: a CPU that is not there" "$(status "$B/walkmodel" --cpu "$dir/none")" "2 1"
check "walkmodel: an unknown page size" \
	"$(status "$B/walkmodel" --cpu bench/walk/cpus/bochs.conf --page 8k)" "2 1"
check "walkpmu: a CPU that the table does not have" "$(status "$B/walkpmu" --model ff)" "1 0"
check "walkmodel: the long trace" \
	"$("$B/walkmodel" --check "$dir/trace" | tail -n 1 | cut -d, -f3-)" \
	400000,400000,1600000,1600000,0,0,0,0,0,same
check "the parameters in bochs.conf give what is built in" \
	"$("$B/walkmodel" --cpu bench/walk/cpus/bochs.conf "$dir/trace" | tail -n 1 | cut -d, -f8-10)" \
	"$("$B/walkmodel" --check "$dir/trace" | tail -n 1 | cut -d, -f4,6,8)"
echo "1..$n"
exit "$failed"
