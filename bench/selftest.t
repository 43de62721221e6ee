#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Tests of bench/ that need no hypervisor: the loader's checks, rows and CSV, the summary, the matrix
# (with a pretended runner), the plots.  TAP; run it with prove.
set -u

top=$(cd "$(dirname "$0")/.." && pwd)
tmp=$(mktemp -d /tmp/penumbra-selftest.XXXXXX) || exit 1
trap 'rm -rf "$tmp"' EXIT
CC=${CC:-gcc}
# Programs of one run give back what they hold by ending.
export ASAN_OPTIONS=detect_leaks=0
count=0

ok() {
	count=$((count + 1))
	echo "ok $count - $*"
}

not_ok() {
	count=$((count + 1))
	echo "not ok $count - $*"
}

# result STATUS NAME: of the command before.
result() {
	if [ "$1" = 0 ]; then ok "$2"; else not_ok "$2"; fi
}

bail_out() {
	echo "Bail out! $*"
	exit 1
}

# says STATUS PATTERN NAME: the last command's status and standard error.
says() {
	if [ "$status" = "$1" ] && grep -q -- "$2" "$tmp/err"; then
		ok "$3"
	else
		not_ok "$3"
		echo "# status $status, wanted $1; it said:"
		sed 's/^/#   /' "$tmp/err"
	fi
}

flags="-std=gnu11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Werror -fsanitize=address,undefined
	-fno-sanitize-recover=all"
# shellcheck disable=SC2086 # words
build() {
	$CC $flags -o "$tmp/runner" "$top"/bench/runner*.c "$top/bench/walk/pmu.c" || bail_out "the runner does not build"
	$CC $flags -o "$tmp/summarize" "$top/bench/summarize.c" "$top/bench/table.c" || bail_out "summarize does not build"
	$CC $flags -o "$tmp/profile" "$top/bench/profile.c" || bail_out "profile does not build"
	$CC $flags -o "$tmp/growth" "$top/bench/growth.c" -lm || bail_out "growth does not build"
	$CC $flags -o "$tmp/selftest" "$top/bench/selftest.c" "$top/bench/runner_rows.c" \
		"$top/bench/runner_stats.c" "$top/bench/runner_times.c" "$top/bench/runner_pmu.c" \
		"$top/bench/walk/pmu.c" || bail_out "selftest.c does not build"
}

# ------------------------------------------------------------------------------ loader

# A guest of one instruction; the linker makes three segments of it: headers, code, data.
make_image() {
	printf '.globl _start\n_start: hlt\n.data\n.quad 1\n' >"$tmp/guest.S"
	$CC -nostdlib -static -Wl,-Ttext=0x1000000,-Tdata=0x1200000,--build-id=none \
		-Wl,-z,max-page-size=4096 -o "$tmp/good" "$tmp/guest.S" || bail_out "no test image"
}

# bad_image OFFSET BYTES PATTERN DESCRIPTION: the good image with other bytes (octal) at OFFSET.
bad_image() {
	cp "$tmp/good" "$tmp/image"
	at=$1
	for byte in $2; do
		# shellcheck disable=SC2059 # an octal escape
		printf "\\$byte" | dd of="$tmp/image" conv=notrunc bs=1 seek="$at" 2>/dev/null
		at=$((at + 1))
	done
	load 64
	says 125 "$3" "$4"
}

# /dev/null is no hypervisor: an image that passes all checks is stopped there.
load() {
	"$tmp/runner" --device /dev/null --kernel "$tmp/image" --mem "$1" --append "${2:-}" \
		>/dev/null 2>"$tmp/err"
	status=$?
}

# Offset of a field in the n-th program header (from 0) of an image with e_phoff 64.
ph() {
	echo $((64 + 56 * $1 + $2))
}

test_loader() {
	make_image
	cp "$tmp/good" "$tmp/image"
	load 64
	says 125 "does not speak the KVM ABI" "a good image passes all checks"
	load 17
	says 125 "does not fit.*give --mem 19" "an image larger than guest RAM names the RAM it needs"
	load 64 "$(printf '%2048s' x)"
	says 125 "command line has 2048 characters" "a command line that is too long"

	rm "$tmp/image"
	load 64
	says 125 "cannot open the guest image" "a missing image"
	mkdir "$tmp/image"
	load 64
	says 125 "not a regular file" "a folder as image"
	rmdir "$tmp/image"
	: >"$tmp/image"
	load 64
	says 125 "not an ELF file" "an empty image"
	echo 'MZ this is a bzImage' >"$tmp/image"
	load 64
	says 125 "uncompressed ELF64" "a bzImage"
	head -c 40 "$tmp/good" >"$tmp/image"
	load 64
	says 125 "truncated" "an image cut within its header"
	head -c 100 "$tmp/good" >"$tmp/image"
	load 64
	says 125 "program headers lie beyond" "an image cut within its program headers"
	head -c 4096 "$tmp/good" >"$tmp/image"
	load 64
	says 125 "truncated: segment" "an image cut within a segment"

	bad_image 4 001 "32-bit" "a 32-bit image"
	bad_image 5 002 "little-endian" "a big-endian image"
	bad_image 18 "267 000" "another machine" "an image for another machine"
	bad_image 16 001 "not linked" "an object file"
	bad_image 56 "000 000" "no program headers" "an image without program headers"
	bad_image 32 "000 000 000 000 000 000 000 200" "beyond its end" "program headers far away"
	bad_image 24 "000 000 000 002" "starts at" "an entry outside the image"
	bad_image "$(ph 1 24)" "000 040 000 000" "overlaps the zero page" \
		"a segment over the zero page"
	bad_image "$(ph 1 24)" "000 000 013 000" "ROM and video" "a segment in the ROM area"
	bad_image "$(ph 2 24)" "000 000 000 001" "overlap in memory" "segments that overlap"
	bad_image "$(ph 1 24)" "000 000 000 000 001" "does not fit" "a segment above guest RAM"
	bad_image "$(ph 1 24)" "000 377 377 377 377 377 377 377" "" "a segment at the very top"
	bad_image "$(ph 1 40)" "377 377 377 377 377 377 377 377" "wraps around" \
		"a segment that wraps around"
	bad_image "$(ph 1 32)" "377 377 377 377 377 377 377 077" "more bytes in the file" \
		"more bytes in the file than in memory"
}

test_options() {
	run() {
		"$tmp/runner" "$@" >"$tmp/out" 2>"$tmp/err"
		status=$?
	}
	run
	says 125 "give --kernel" "no image given"
	run --kernel x --mem 1
	says 125 "from 2 to" "too little RAM asked for"
	run --kernel x --mem lots
	says 125 "number" "RAM that is no number"
	run --kernel x --hugepages 4M
	says 125 "off, thp, 2M or 1G" "an unknown kind of pages"
	run --kernel x stray
	says 125 "stray" "a stray argument"
	run --ioctl lseek
	says 125 "version or run" "an ioctl that is not known"
	run --ioctl run
	says 125 "give that" "timing without a place for rows"
	run --kernel x --pmu maybe
	says 125 "on, off or list" "an unknown value of --pmu"
	run --kernel x --cpu many
	says 125 "--cpu many: a number" "a CPU that is no number"
	run --kernel "$tmp/good" --cpu 8191
	says 125 "cannot run on CPU 8191 (.*): it is not there" "a CPU that is not there"
	run --pmu list
	[ $status = 0 ] && [ "$(wc -l <"$tmp/out")" = 1 ] && [ ! -s "$tmp/err" ]
	result $? "--pmu list says in one line what this machine's CPU counts"
	run --unknown
	says 125 "see runner --help" "an unknown option"
	run --kernel "$tmp/good" --device "$tmp/absent"
	says 125 "is not there: load the module" "no device"
	run --kernel "$tmp/good" --csv "$tmp/x.csv"
	says 125 "no row without its kind" "rows without host and clock"
	run --kernel "$tmp/good" --csv "$tmp/x.csv" --tag host=metal,clock=tsc,color=red
	says 125 "color=red is unknown" "an unknown tag"
	run --kernel "$tmp/good" --csv /nowhere/x.csv --tag host=metal,clock=tsc
	says 125 "cannot write rows" "a CSV that cannot be written"
	echo "other,columns" >"$tmp/other.csv"
	run --kernel "$tmp/good" --csv "$tmp/other.csv" --tag host=metal,clock=tsc
	says 125 "columns are not" "a CSV with other columns"
	[ "$(cat "$tmp/other.csv")" = "other,columns" ]
	result $? "and it is left as it was"
	run --kernel "$tmp/absent" --append "workload=mix ops=3 reps=2" --csv "$tmp/fail.csv" \
		--tag host=metal,clock=tsc,mode=ept --device "$tmp/absent"
	grep -q '^penumbra,ept,mix,ops:3,1,failed,,,,tsc,metal,' "$tmp/fail.csv" &&
		[ "$(wc -l <"$tmp/fail.csv")" = 2 ]
	result $? "a run that cannot start leaves a row that says so"
	"$tmp/runner" --columns | cmp -s - "$tmp/header"
	result $? "--columns prints the header of the agreed file format"
	echo "noise
@row workload=gups params=size:1 rep=1 status=ok ops=2 elapsed=9 control=1 checksum=0x5 g_pf=3" |
		"$tmp/runner" --rows - --csv "$tmp/native.csv" --append workload=gups \
			--tag engine=native,mode=native,host=emulated,clock=ticks
	tail -n 1 "$tmp/native.csv" | grep -q \
		'^native,native,gups,size:1,1,ok,2,9,1,ticks,emulated,,,,,,,,,,,,,,,,,0x5,3,bare,'
	result $? "rows of the bare machine become CSV, without the counts of a hypervisor"
	echo noise | "$tmp/runner" --rows - --csv "$tmp/native.csv" --append "workload=mix ops=3" \
		--tag engine=native,mode=native,host=emulated,clock=ticks
	tail -n 1 "$tmp/native.csv" | grep -q '^native,native,mix,ops:3,1,failed,'
	result $? "and a run without a row is a failure"
	"$tmp/runner" --describe >"$tmp/described"
	! grep -F -x -v -q -f "$top/results/README.md" "$tmp/described"
	result $? "results/README.md describes every column as the source does"
	run --kernel "$tmp/absent" --populate --hugepages off --append "workload=mix ops=3" \
		--csv "$tmp/populated.csv" --tag host=metal,clock=tsc,mode=ept,backing=cold
	grep -q '^penumbra,ept,mix,ops:3;populate:1,1,failed,.*,4k-populated-cold,' "$tmp/populated.csv"
	result $? "memory that is touched ahead shows in the row"
	run --kernel "$tmp/absent" --note direct_faults:1 --append "workload=cost kind=pf" \
		--csv "$tmp/noted.csv" --tag host=metal,clock=tsc,mode=shadow
	grep -q '^penumbra,shadow,cost,kind:pf;direct_faults:1,1,failed,' "$tmp/noted.csv"
	result $? "so does what the matrix did to the module for it"
	run --note a,b
	[ $status = 2 ] && has "--note a,b: key:value is expected" "--note that would break a row"
	run --help
	[ $status = 0 ] && grep -q -- --populate "$tmp/out"
	result $? "--help"
}

test_rows() {
	"$tmp/selftest" >"$tmp/out" 2>/dev/null
	while read -r verdict name; do
		case $verdict in
		pass) ok "$name" ;;
		fail) not_ok "$name" ;;
		*) echo "# $name" ;;
		esac
	done <"$tmp/out"
	tail -n 1 "$tmp/out" | grep -q "^pass a run without a row"
	result $? "all checks of rows were reached"
}

# ------------------------------------------------------------------------------ summary

# row MODE WORKLOAD REP STATUS ELAPSED EXITS CHECKSUM [GUEST_MIB]
row() {
	echo "penumbra,$1,$2,a:1,$3,$4,100,$5,1000,ticks,emulated,$6,,,,,,,,,,,,,,,,$7,,thp,,,,,,,,,,,,,,${8:-},,,,,"
}

# Column NAME of the summary's row for MODE and WORKLOAD.
cell() {
	awk -F, -v name="$1" -v mode="$2" -v workload="$3" '
		NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) column = i }
		$2 == mode && $3 == workload { print $column }' "$tmp/summary.csv"
}

# is COLUMN MODE WORKLOAD VALUE
is() {
	found=$(cell "$1" "$2" "$3")
	if [ "$found" = "$4" ]; then
		ok "$1 of $3 under $2 is ${4:-empty}"
	else
		not_ok "$1 of $3 under $2 is $found, not $4"
	fi
}

summarize() {
	"$tmp/summarize" "$@" >"$tmp/summary.csv" 2>"$tmp/err"
	status=$?
}

test_summary() {
	{
		cat "$tmp/header"
		row shadow gups 1 ok 3000 500 0x1
		row shadow gups 2 ok 7000 500 0x1
		row shadow gups 3 ok 5000 700 0x1
		row ept gups 1 ok 2000 0 0x1
		row ept gups 2 ok 2200 0 0x1
		row ept gups 3 failed "" "" ""
	} >"$tmp/raw.csv"
	summarize "$tmp/raw.csv"
	says 1 "gups a:1, penumbra ept rep 3: failed" "a row that is not ok is reported"
	is reps shadow gups 3
	is cost_median shadow gups 40
	is cost_min shadow gups 20
	is cost_max shadow gups 60
	is cost_spread_percent shadow gups 100
	is exits_per_op shadow gups 5
	is exits_pt_write_per_op shadow gups ""
	is reps ept gups 2
	is failed ept gups 1
	is cost_median ept gups 11
	is exits_per_op ept gups 0
	is cost_vs_ept ept gups 1
	is cost_vs_ept shadow gups 3.636363636
	is checksum_agrees shadow gups yes

	sed -i '/failed/d' "$tmp/raw.csv"
	summarize "$tmp/raw.csv"
	[ $status = 0 ] && [ ! -s "$tmp/err" ]
	result $? "an undisturbed file has no findings"
	row ssp gups 2 ok 4000 3 0x2 >>"$tmp/raw.csv"
	summarize "$tmp/raw.csv"
	says 1 "checksum 0x2 differs from that of penumbra shadow: 0x1" "a checksum that differs"
	is checksum_agrees ept gups no

	{
		cat "$tmp/header"
		for gtt_mode in strict relaxed; do
			row ept gmedia 1 ok 3000 500 0x1 | sed "s/thp,,/thp,$gtt_mode,/"
			row ept gmedia 2 failed "" "" "" | sed "s/thp,,/thp,$gtt_mode,/"
		done
	} >"$tmp/raw.csv"
	summarize "$tmp/raw.csv"
	says 1 "gmedia a:1, penumbra ept/relaxed rep 2: failed" "a finding says the gtt_mode"
	"$tmp/summarize" --text "$tmp/raw.csv" 2>/dev/null >"$tmp/out"
	grep -q "penumbra ept/strict " "$tmp/out" && grep -q "penumbra ept/relaxed " "$tmp/out"
	result $? "so does each row of the list"

	{
		cat "$tmp/header"
		row shadow gups 1 ok 100 1 0x1
	} >"$tmp/raw.csv"
	summarize "$tmp/raw.csv"
	is cost_vs_ept shadow gups ""
	is cost_median shadow gups ""
	is cost_below shadow gups 0.001
	is cost_spread_percent shadow gups ""
	{
		cat "$tmp/header"
		row shadow gups 1 ok 100 1 0x1
		cat "$tmp/header"
		row ept gups 1 ok 100 1 0x1
	} >"$tmp/raw.csv"
	summarize "$tmp/raw.csv"
	says 1 "line 3: a second header" "two files put together"
	is reps ept gups 1
	head -c -9 "$tmp/raw.csv" >"$tmp/cut.csv"
	summarize "$tmp/cut.csv"
	says 1 "line 4 is left out: it ends in the middle of a line" "a last line that is cut off"
	is reps shadow gups 1
	printf 'penumbra,ept\npenumbra,ept\n' >>"$tmp/raw.csv"
	summarize "$tmp/raw.csv"
	says 1 "line 5 is left out: wrong number of fields" "a line in the middle that is cut off"
	cut -d, -f1-4,6- "$tmp/header" >"$tmp/raw.csv"
	summarize "$tmp/raw.csv"
	says 2 "its header has no column rep" "a column that is missing"
	test_resolution
	test_walk_rows
	: >"$tmp/raw.csv"
	summarize "$tmp/raw.csv"
	says 2 "it is empty" "an empty file"
	echo "a,b" >"$tmp/raw.csv"
	summarize "$tmp/raw.csv"
	says 2 "no column engine" "a file that is something else"
	{
		echo "host,extra,engine,mode,workload,params,rep,status,ops,elapsed,control,clock,checksum"
		echo "metal,x,penumbra,ept,gups,a:1,1,ok,10,300,100,tsc,0x1"
	} >"$tmp/raw.csv"
	summarize "$tmp/raw.csv"
	[ $status = 0 ]
	result $? "columns are found by name: a file of another version"
	is cost_median ept gups 20
	is exits_per_op ept gups ""
	{
		cat "$tmp/header"
		echo "penumbra,ept,gups"
		row ept gups 1 ok 100 1 0x1
	} >"$tmp/raw.csv"
	summarize "$tmp/raw.csv"
	says 1 "line 2 is left out: wrong number of fields" "a line that is cut short"
	{
		cat "$tmp/header"
		row shadow gups 1 ok many 1 0x1
	} >"$tmp/raw.csv"
	summarize "$tmp/raw.csv"
	says 1 "not a number" "a value that is no number"
	summarize "$tmp/absent"
	says 2 "No such file" "a missing file"
}

# What is below the noise is said to be so, and nothing is made of it.
test_resolution() {
	{
		cat "$tmp/header"
		row shadow gups 1 ok 1500 1 0x1
		row shadow gups 2 ok 1700 1 0x1
		row shadow gups 3 ok 900 1 0x1
		row ept gups 1 ok 990 0 0x1
		row ept gups 2 ok 990 0 0x1
	} >"$tmp/raw.csv"
	summarize "$tmp/raw.csv"
	is cost_median shadow gups ""
	is cost_below shadow gups 8
	is cost_spread_percent shadow gups ""
	is cost_median ept gups ""
	is cost_below ept gups 0.0099
	is cost_vs_ept shadow gups ""
	"$tmp/summarize" --text "$tmp/raw.csv" >"$tmp/out"
	has "shadow  *< 8.00 " "a cost below it is printed as less than that"
	has_not " -[0-9]" "and nothing is negative"
	{
		cat "$tmp/header"
		for n in 1 2 3 4 5 6 7 8 9 10; do
			row shadow gups $n ok $((5000 + n * 10)) 1 0x1
		done
		for n in 1 2 3 4 5; do
			row ept gups $n ok $((5000 + n)) 1 0x1
		done
	} >"$tmp/raw.csv"
	summarize "$tmp/raw.csv"
	is cost_median shadow gups 40.55
	is cost_low shadow gups 40.2
	is cost_high shadow gups 40.9
	is elapsed_low shadow gups 50.2
	is cost_low ept gups ""
}

# The traced repetition gives the walks, and nothing else.
test_walk_rows() {
	{
		cat "$tmp/header"
		row shadow gups 1 ok 5000 500 0x1
		row shadow gups traced ok 70000 900 0x2 | sed 's/,,,,,$/,3,50,200,600,16/; s/,ok,100,/,ok,10,/'
		row ept gups 1 ok 5000 500 0x1
	} >"$tmp/raw.csv"
	summarize "$tmp/raw.csv"
	[ $status = 0 ]
	result $? "a traced repetition has a checksum of its own"
	is reps shadow gups 1
	is cost_median shadow gups 40
	is exits_per_op shadow gups 5
	is walks_per_op shadow gups 5
	is walk_refs_nested_per_op shadow gups 60
	is refs_per_walk shadow gups 16
	is walks_per_op ept gups ""
	is exits_host_per_op shadow gups ""
}

# ------------------------------------------------------------------------------ growth

# grown MODE KIND PROCS TABLES MIB COST: a row of 100 operations that cost that.
grown() {
	row "$1" growth 1 ok $(($6 * 100 + 1000)) 0 0x1 "$5" |
		sed "s/a:1/kind:$2;procs:$3;tables:$4/"
}

growth() {
	"$tmp/summarize" "$tmp/raw.csv" >"$tmp/summary.csv" 2>"$tmp/err" || return
	"$tmp/growth" "$@" "$tmp/summary.csv" >"$tmp/out" 2>"$tmp/err"
	status=$?
}

test_growth() {
	: >"$tmp/reasons"
	{
		cat "$tmp/header"
		for n in 10 100 1000; do
			grown shadow flat 1 $n 256 500
			grown shadow linear 1 $n 256 $((n * 7))
			grown shadow square 1 $n 256 $((n * n))
			# A linear part under a large constant: all sizes together hide it.
			grown shadow tail 1 $n 256 $((1000 + n * 2))
			grown shadow small 1 $n 256 $((n / 100 + 1))
			grown shadow nothing 1 $n 256 0
		done
		grown shadow flat 8 10 256 500
		grown shadow flat 64 10 256 500
		grown shadow flat 1 10 64 1000
		grown shadow flat 1 10 1024 250
		grown shadow two 1 10 256 10
		grown shadow two 1 100 256 1000
	} >"$tmp/raw.csv"
	growth
	has "^flat  *processes 1..64  *500..500  0.00 $" "a constant cost has slope 0"
	has "^flat  *table pages 10..1000  *500..500  0.00 $" "along each axis"
	has "^flat  *guest MiB 64..1024  *1000..250 -0.50 $" "one that falls has less"
	has "^linear  *table pages 10..1000  *70..7000  1.00\*$" "a linear one has slope 1"
	has "^square  *table pages 10..1000  *100..1000000  2.00\*$" "a quadratic one 2"
	has "^tail .* 0.23\*$" "a slope at the end is enough"
	has "^small .* 0.52 $" "a change of a few clock units is no growth"
	has "^nothing .* - $" "what costs nothing has no slope"
	has_not "^two" "two sizes make no slope"
	[ "$status:$(grep -c "^grows:.*NO REASON" "$tmp/out")" = 1:3 ]
	result $? "what grows without a reason is a failure"
	cat >"$tmp/reasons" <<-'END'
		# axis operation mode reason
		tables linear shadow because
		* square * of the square
		tables tail shadow the end
	END
	growth --reasons "$tmp/reasons"
	[ "$status:$(grep -c "^grows:" "$tmp/out")" = 0:3 ]
	result $? "with reasons it is none"
	has "^grows: square with table pages, shadow: slope 2.00, at the end 2.00: of the square$" \
		"the reason is printed"
	sed -i 's/shadow because/ept because/; s/tables tail/procs tail/' "$tmp/reasons"
	growth --reasons "$tmp/reasons"
	[ "$status:$(grep -c "NO REASON" "$tmp/out")" = 1:2 ]
	result $? "a reason is for its mode and axis"
	echo "tables linear" >"$tmp/reasons"
	growth --reasons "$tmp/reasons"
	says 2 "is not: axis operation mode reason" "a line of the reasons that is cut short"
	sed -i '/flat\|linear\|square\|tail\|small\|nothing/d' "$tmp/raw.csv"
	growth
	says 2 "three sizes" "nothing with three sizes"
	echo "a,b" >"$tmp/summary.csv"
	"$tmp/growth" "$tmp/summary.csv" >"$tmp/out" 2>"$tmp/err"
	status=$?
	says 2 "a column is missing" "a file that is no summary"

	# Rows that differ in guest memory alone are not one and the same.
	{
		cat "$tmp/header"
		for mib in 64 256; do
			row shadow gups 1 ok $((1000 + mib * 100)) 0 0x1 $mib
			row ept gups 1 ok 2000 0 0x1 $mib
		done
	} >"$tmp/raw.csv"
	summarize "$tmp/raw.csv"
	[ "$(cell cost_vs_ept shadow gups | tr '\n' ' ')" = "6.4 25.6 " ]
	result $? "guest memory is part of what is compared"
}

# ------------------------------------------------------------------------------ matrix

test_matrix_mem() {
	make_pretended_host
	{
		echo "1 2 1 plain d=4"
		echo "1 2 1 sized mem=64 d=4"
	} >"$tmp/conf"
	matrix MODES=ept MEM=300
	[ "$status:$(sed -n 's/.*@csv.*workload=//p' "$tmp/out" | tr '\n' '/')" = \
		"0:plain d=4 rep=1 pmu=on mem=300/plain d=4 rep=2 pmu=on mem=300/sized d=4 rep=1 pmu=on mem=64/sized d=4 rep=2 pmu=on mem=64/" ]
	result $? "mem= is the guest's RAM for its line, MEM= for the others"
}

test_matrix_gtt() {
	make_pretended_host
	echo strict >"$tmp/parameters/gtt_mode"
	echo "1 2 1 gfx d=4 gtt=8" >"$tmp/conf"
	matrix MODES="shadow ept"
	[ "$status:$(grep -c '@csv.*workload=gfx d=4 rep=2' "$tmp/out")" = 0:4 ]
	result $? "a line for the GTT device runs once for each gtt_mode"
	has_not "mode=shadow" "in the last paging mode"
	[ "$(cat "$tmp/parameters/gtt_mode")" = passthrough ]
	result $? "gtt_mode is switched"
	matrix MODES="shadow ept" GTT_MODES=hybrid GTT_PAGING="shadow ept"
	[ "$status:$(grep -c '@csv.*workload=gfx' "$tmp/out")" = 0:4 ]
	result $? "GTT_MODES= and GTT_PAGING="
	rm "$tmp/parameters/gtt_mode"
	mkdir "$tmp/parameters/gtt_mode"
	matrix MODES=shadow
	has "@note FAILED: gtt_mode=strict is refused" "a gtt_mode that cannot be had"
	rmdir "$tmp/parameters/gtt_mode"
}

test_matrix_direct_faults() {
	make_pretended_host
	echo N >"$tmp/parameters/direct_faults"
	printf '%s\n' "1 1 1 good a=1 direct_faults=1" "1 1 1 good b=2" >"$tmp/conf"
	matrix MODES="shadow ept"
	[ "$status:$(grep -c '^runs .*--note direct_faults:1.*mode=shadow.*a=1 rep=1' "$tmp/out")" = 0:1 ] &&
		[ "$(grep -c '@csv.*a=1' "$tmp/out"):$(grep -c '@csv.*b=2' "$tmp/out")" = 1:2 ]
	result $? "direct_faults=1 is for paging_mode=shadow alone, and not for the guest"
	[ "$(cat "$tmp/parameters/direct_faults")" = N ]
	result $? "the parameter is what it was before"
	rm "$tmp/parameters/direct_faults"
	mkdir "$tmp/parameters/direct_faults"
	printf '%s\n' "1 1 1 good? a=1 direct_faults=1" >"$tmp/conf"
	matrix MODES=shadow
	[ "$status:$(grep -c @csv "$tmp/out")" = 0:0 ] && has "@note left out: .*direct_faults=1" \
		"a CPU that cannot do it"
	rmdir "$tmp/parameters/direct_faults"
}

test_matrix_words() {
	make_pretended_host
	printf '%s\n' "1 1 1 good a=1 hugepages=off populate=1 b=2" "1 1 1 good kind=ioctl_run" \
		"1 1 1 good c=3 hugepages=2M" "1 1 1 good mem=64 d=4" "1 1 1 gfx gtt=8" >"$tmp/conf"
	matrix MODES=ept WORKLOADS=good
	has "--hugepages thp .*--hugepages off --populate .*workload=good a=1 b=2 rep=1" \
		"options for one line go to the runner, not to the guest"
	has "--ioctl run .*workload=good kind=ioctl_run rep=1" "an ioctl to be timed goes to both"
	has_not "--populate .*c=3" "and a line without them has none"
	matrix MODES=ept WORKLOADS=good POPULATE=1
	has "--populate .*c=3" "POPULATE=1"
	ENGINE=native CONF=$tmp/conf "$top/bench/matrix" --list >"$tmp/out"
	[ "$(cat "$tmp/out")" = "1 1 good c=3" ]
	result $? "the bare machine runs what needs no hypervisor, no host, no device"
}

test_matrix_walks() {
	echo "1 2 1 good a=1 ops=90 walks=7" >"$tmp/conf"
	matrix MODES=shadow
	has_not "walks=\|trace=1" "without a trace nothing is traced"
	matrix MODES=shadow WALKS=on
	has "@csv.*workload=good a=1 ops=7 trace=1" "WALKS=on: one repetition more, with its own operations"
	has "@csv.*workload=good a=1 ops=90 rep=2" "and the others as ever"
	matrix WALKS=some
	says 2 "on or off" "WALKS= that is neither"
	printf '%s\n' "1 2 3 good a=1 walks=7" "0 1 1 good kind=ioctl_run" "1 1 2 gfx gtt=8" >"$tmp/conf"
	for case in "MODES=ept:9 4" "MODES=ept WALKS=on:12 5" "MODES=ept WALKS=on EXIT_TIMES=1:17 7" \
		"MODES=ept QUICK=1:5 2" "MODES='shadow? ept?' PART=gtt:2 1" "ENGINE=native:6 2"; do
		[ "$(sh -c "CONF=$tmp/conf ${case%:*} $top/bench/matrix --size")" = "${case#*:}" ]
		result $? "its size with ${case%:*}"
	done
	make_pretended_host
}

# The order in which the guests were run, as text.
order_of() {
	sed -n 's/^@csv.*mode=\([a-z]*\),.*workload=\([a-z]*\) .*rep=\([0-9]*\).*/\1.\2.\3/p' "$tmp/out" | tr '\n' ' '
}

test_matrix_order() {
	printf '%s\n' "1 3 1 good a=1" "1 3 1 fine a=1" >"$tmp/conf"
	matrix MODES="shadow ept" HOST_KIND=metal CLOCK=tsc SEED=5
	first=$(order_of)
	[ "$(echo "$first" | wc -w)" = 40 ] && grep -qx "@env order_seed 5" "$tmp/out"
	result $? "on metal each line runs ten times at least, by a seed that env.txt has"
	[ "$(echo "$first" | tr ' ' '\n' | sort -u | grep -c .)" = 40 ]
	result $? "each repetition in each mode once"
	matrix MODES="shadow ept" HOST_KIND=metal CLOCK=tsc SEED=5
	[ "$(order_of)" = "$first" ]
	result $? "the same seed gives the same order"
	matrix MODES="shadow ept" HOST_KIND=metal CLOCK=tsc SEED=6
	[ "$(order_of)" != "$first" ]
	result $? "another seed another"
	matrix MODES="shadow ept"
	[ "$(order_of)" = "$(for mode in shadow ept; do for name in good fine; do
		printf '%s ' $mode.$name.1 $mode.$name.2 $mode.$name.3; done; done)" ]
	result $? "on the emulated host they run as they are listed"
	matrix SEED=x
	says 2 "a number is expected" "SEED= that is no number"
	matrix ORDER=upwards
	says 2 "listed or shuffled" "an unknown ORDER="
	make_pretended_host
}

make_pretended_host() {
	mkdir -p "$tmp/parameters"
	echo shadow >"$tmp/parameters/paging_mode"
	: >"$tmp/kernel"
	cat >"$tmp/conf" <<-'END'
	# quick default weight workload parameters
	1 3 1 good  a=1
	0 2 5 bad   b=2
	1 1 1 rare? c=3
	END
	# It fails for "bad", and cannot do "rare".
	cat >"$tmp/pretend" <<-'END'
	#!/bin/sh
	words=$*
	while [ $# -gt 0 ]; do
		case $1 in
		--console) console=$2 ;;
		--tag) tag=$2 ;;
		--append) line=$2 ;;
		--mem) mem=$2 ;;
		--pmu)
			pmu=$2
			[ $pmu != list ] || { echo "none: a pretended CPU"; exit; }
			;;
		esac
		shift
	done
	echo "runs $words"
	echo "guest: a sentence" >"$console"
	echo "@csv $tag $line pmu=$pmu mem=$mem"
	case $line in
	*workload=bad*) echo "runner: it broke" >&2 && exit 126 ;;
	*workload=rare*) exit 2 ;;
	esac
	END
	chmod +x "$tmp/pretend"
}

matrix() {
	env RUNNER="$tmp/pretend" CONF="$tmp/conf" KERNEL="$tmp/kernel" DEVICE=/dev/null \
		PARAMETERS="$tmp/parameters" HOST_KIND=emulated CLOCK=ticks "$@" \
		"$top/bench/matrix" >"$tmp/out" 2>"$tmp/err"
	status=$?
}

has() {
	grep -q -- "$1" "$tmp/out"
	result $? "$2"
}

has_not() {
	! grep -q -- "$1" "$tmp/out"
	result $? "$2"
}

test_matrix() {
	make_pretended_host
	matrix MODES="shadow ept"
	[ $status = 1 ]
	result $? "a failing workload makes the matrix fail"
	has "@csv engine=penumbra,mode=ept,host=emulated,clock=ticks,backing=cold workload=good a=1 rep=3" \
		"and the others are run, in every mode"
	has "@note FAILED: shadow bad b=2 rep 2: status 126: runner: it broke" "with a sentence"
	has "@note left out: ept rare c=3: guest: a sentence" "what the CPU cannot do is left out"
	has_not "@csv.*rare" "without a row"
	has "@progress 28 28 12/12 penumbra done" "progress ends at its total"
	[ "$(cat "$tmp/parameters/paging_mode")" = ept ]
	result $? "paging_mode is switched"

	matrix MODES=shadow QUICK=1
	[ $status = 0 ]
	result $? "the quick set leaves out what it says"
	has_not "bad" "and only that"
	matrix MODES=shadow WORKLOADS=bad REPS=7
	[ "$(grep -c "@csv.*workload=bad b=2 rep=[1-7] " "$tmp/out")" = 7 ]
	result $? "WORKLOADS= and REPS="
	has_not "good" "nothing else is run"
	[ "$(grep -c "@note left out: ept rare" "$tmp/out")" = 0 ]
	result $? "nor said to be left out"
	has "@env page_walk_counters none: a pretended CPU" "what the CPU counts is a fact"
	matrix MODES=shadow WORKLOADS=good PMU=off
	has "workload=good.*pmu=off" "PMU=off"
	matrix MODES="shadow? ept?" PART=gtt
	says 2 "nothing is left" "a part of the matrix that is empty"
	rm "$tmp/parameters/paging_mode"
	mkdir "$tmp/parameters/paging_mode"
	matrix MODES="future?"
	[ $status = 0 ] && grep -q "@note left out: paging_mode=future is refused" "$tmp/out"
	result $? "a mode with a ? is left out where it is refused"
	matrix MODES="future"
	says 2 "paging_mode=future is refused" "one without is not"
	rmdir "$tmp/parameters/paging_mode"
	make_pretended_host
	matrix WORKLOADS=unknown
	says 2 "no workload unknown" "an unknown workload"
	matrix MODES=shadow WORKLOADS=rare REPS=4
	[ "$(grep -c "@note left out: shadow rare" "$tmp/out"):$(grep -c "^runs" "$tmp/out")" = 1:0 ]
	result $? "what is left out is tried and said once"
	test_matrix_walks
	test_matrix_order
	matrix REPS=many
	says 2 "number from 1 to 999" "REPS= that is no number"
	matrix PMU=2
	says 2 "on or off" "PMU= that is neither"
	for bad in MEM=abc MEM=1 MEM=-3 TIMEOUT=soon; do
		matrix $bad
		says 2 "$bad: a number from" "$bad"
	done
	matrix HUGEPAGES=3M
	says 2 "off, thp, 2M or 1G" "an unknown HUGEPAGES="
	matrix GTT_MODES="strict loose"
	says 2 "GTT_MODES: loose is unknown" "an unknown mode of the GTT device"
	matrix PIN=first
	says 2 "PIN=first: a number from" "PIN= that is no number"
	matrix MODES=shadow WORKLOADS=good PIN=0
	has "^runs .*--cpu 0 .*workload=good" "the runner is told its CPU"
	grep -qx "@env pinned_cpu 0" "$tmp/out"
	result $? "which env.txt has"
	matrix DEVICE="$tmp/absent"
	says 2 "is not there" "no device"
	matrix KERNEL="$tmp/absent"
	says 2 "make build/suite.elf" "no guest image"
	matrix HOST_KIND= CLOCK=
	says 2 "must say what the rows are" "rows without their kind"
}

# ------------------------------------------------------------------------------ machine

# A laptop as bad as they come: four fast CPUs, two to a core, and two slow ones.
make_pretended_cpus() {
	rm -rf "$tmp/sys" "$tmp/proc"
	cpus=$tmp/sys/devices/system/cpu
	mkdir -p "$tmp/proc/self" "$cpus/intel_pstate" "$cpus/smt" "$tmp/sys/devices/cpu_core" \
		"$tmp/sys/devices/cpu_atom"
	for n in 0 1 2 3 4 5; do
		mkdir -p "$cpus/cpu$n/cpufreq" "$cpus/cpu$n/topology"
		echo powersave >"$cpus/cpu$n/cpufreq/scaling_governor"
		case $n in [45]) echo $n ;; *) echo "$((n / 2 * 2))-$((n / 2 * 2 + 1))" ;; esac \
			>"$cpus/cpu$n/topology/thread_siblings_list"
	done
	echo 0 >"$cpus/intel_pstate/no_turbo"
	echo 1 >"$cpus/smt/active"
	echo 0-5 >"$cpus/online"
	echo >"$cpus/isolated"
	echo 0-3 >"$tmp/sys/devices/cpu_core/cpus"
	echo 4-5 >"$tmp/sys/devices/cpu_atom/cpus"
	printf 'Cpus_allowed:\t3f\nCpus_allowed_list:\t0-5\n' >"$tmp/proc/self/status"
	for n in 0 1; do
		printf 'model name\t: Any\nmicrocode\t: 0xf4\n'
	done >"$tmp/proc/cpuinfo"
	echo "0.90 0.80 0.70 3/200 999" >"$tmp/proc/loadavg"
}

machine() {
	env SYS="$tmp/sys" PROC="$tmp/proc" HOST_KIND=metal "$@" "$top/bench/machine" \
		>"$tmp/out" 2>"$tmp/err"
	status=$?
}

# facts TEXT NAME: all of them, as one line.
facts() {
	said=$(sed -n 's/^@env //p' "$tmp/out" | tr '\n' ' ')
	[ "$said" = "$1 " ]
	result $? "$2"
	[ "$said" = "$1 " ] || echo "# not $1, but $said"
}

warnings() {
	grep -c '^@note warning: ' "$tmp/out"
}

test_machine() {
	make_pretended_cpus
	machine
	facts "pinned_cpu 3 host_microcode 0xf4 host_core_type fast (fast 0-3, slow 4-5) host_governor powersave host_turbo on host_smt on host_siblings 2-3 host_load 0.90" \
		"what decides over times is in env.txt"
	has "warning: no CPU is isolated" "tasks beside the guest are warned about"
	has "warning: the governor of CPU 3 is powersave" "so is a governor that changes the speed"
	has "warning: turbo is on" "turbo"
	has "warning: CPU 3 shares its core (CPUs 2-3)" "a core that two CPUs share"
	has "warning: the machine is busy (2 other tasks" "and what else runs"
	[ "$(warnings)" = 5 ]
	result $? "each in one line"
	machine HOST_KIND=emulated
	[ "$(warnings):$(grep -c @env "$tmp/out")" = 0:8 ]
	result $? "an emulated host is not warned: its clock counts instructions"
	machine HOST_KIND=nested
	has "warning: this is a virtual machine" "a virtual machine is"
	machine PIN=5
	has "warning: CPU 5 is one of the slow cores: PIN= one of 0-3" "PIN= on a slow core"
	has_not "shares its core" "which it has for itself"
	machine PIN=9
	says 2 "PIN=9: there is no such CPU for this program, but 0,1,2,3,4,5" "PIN= that is not there"
	machine PIN=off
	has "@env pinned_cpu off" "PIN=off"
	has "warning: guests are not pinned" "is warned about"
	echo 1-2 >"$cpus/isolated"
	machine PIN=0
	has "warning: CPU 0 is not isolated, though others are" "a CPU that is not isolated beside some that are"
	machine
	has "@env pinned_cpu 1" "an isolated CPU is taken first"
	printf 'Cpus_allowed_list:\t0,2-5\n' >"$tmp/proc/self/status"
	machine
	has "@env pinned_cpu 2" "of those that this program may use"
	echo 0-1,4-5 >"$cpus/online"
	machine
	has "@env pinned_cpu 0" "and that are online"

	# A machine that is fit for it.
	make_pretended_cpus
	rm -r "$tmp/sys/devices/cpu_core" "$tmp/sys/devices/cpu_atom" "$cpus/intel_pstate"
	mkdir "$cpus/cpufreq"
	echo 0 | tee "$cpus/smt/active" >"$cpus/cpufreq/boost"
	echo performance >"$cpus/cpu5/cpufreq/scaling_governor"
	echo 5 | tee "$cpus/nohz_full" >"$cpus/isolated"
	echo "0.00 0.00 0.00 1/200 999" >"$tmp/proc/loadavg"
	machine
	facts "pinned_cpu 5 host_microcode 0xf4 host_isolated_cpus 5 host_nohz_full 5 host_governor performance host_turbo off host_smt off host_load 0.00" \
		"a machine that was made ready"
	[ "$(warnings):$status" = 0:0 ]
	result $? "is not warned of anything"
	rm -r "$tmp/sys" "$tmp/proc"
	mkdir "$tmp/sys" "$tmp/proc"
	machine
	facts "pinned_cpu 0" "what a machine does not say is not in env.txt"
}

# ------------------------------------------------------------------------------ run

test_run() {
	run() {
		env "$@" "$top/bench/run" >"$tmp/out" 2>"$tmp/err"
		status=$?
	}
	run HOST=emulated RESULTS_DIR=/proc/penumbra
	says 2 "cannot make the results folder" "a results folder that cannot be made"
	: >"$tmp/file"
	run HOST=emulated RESULTS_DIR="$tmp/file"
	says 2 "cannot make" "a results folder that is a file"
	run HOST=moon
	says 2 "metal, nested or emulated is expected" "an unknown host"
	run ENGINES=xen
	says 2 "are expected" "an unknown engine"
	run HOST=emulated MODES="shadow foo"
	says 2 "MODES: foo is unknown: of shadow ssp hybrid ept are expected" "an unknown paging mode"
	run HOST=emulated SUMMARY=foo
	says 2 "SUMMARY=foo: text, table, growth or none" "an unknown SUMMARY="
	! grep -q "results go to" "$tmp/out"
	result $? "before anything is made"
	run HOST=emulated MEM=abc
	says 2 "MEM=abc: a number from" "guest RAM that is no number"
	! grep -q "results go to" "$tmp/out"
	result $? "before anything is made, too"
	for script in scripts/check .ci/run bench/walk/host bench/walk/traced bench/walk/measure \
		bench/run bench/matrix bench/machine bench/phase bench/plot bench/report bench/compare \
		bench/quote bench/profile bench/native bench/reference; do
		timeout 60 "$top/$script" --help </dev/null >"$tmp/out" 2>"$tmp/err"
		status=$?
		[ $status = 0 ] && grep -q "^usage: " "$tmp/out" && [ ! -s "$tmp/err" ]
		result $? "$script --help"
	done
	for script in bench/phase bench/plot bench/report; do
		"$top/$script" "$tmp/absent" >"$tmp/out" 2>"$tmp/err"
		status=$?
		says 2 "there" "$script of a folder that is not there"
	done
	if grep -qw vmx /proc/cpuinfo; then
		count=$((count + 1))
		echo "ok $count # SKIP this machine has VT-x"
	else
		run HOST=metal
		says 2 "no VT-x" "HOST=metal without VT-x"
	fi
}

# A tree in which the emulated host is a script: each of its passes prints one row. "wait" makes the
# first pass end after the last, "hang" makes both go on for ever, "broken" makes the last fail, "cut"
# makes it stop before its end.
make_pretended_tree() {
	tree=$tmp/tree
	mkdir -p "$tree/scripts" "$tree/build"
	cp -r "$top/bench" "$tree/"
	cp "$tmp/runner" "$tmp/summarize" "$tree/build/"
	printf '%%:\n\t@true\n' >"$tree/Makefile"
	printf '#!/bin/sh\n' | tee "$tree/scripts/setup" >"$tree/scripts/load"
	printf '%s\n' '1 1 1 gups a=1' '1 1 1 upload gtt=8' >"$tree/bench/matrix.conf"
	# Its walker: two walks of four references in each region that was traced.
	cat >"$tree/build/walkcount" <<-'END'
	#!/bin/sh
	[ "$1" != --columns ] || { echo region,walks,walk_refs_guest,walk_refs_nested,refs_per_walk; exit; }
	cat >/dev/null
	[ ! -e region ] || echo 1,2,8,0,4.000
	END
	chmod +x "$tree/build/walkcount"
	row shadow gups 1 ok 3000 500 0x1 >"$tree/row.shadow"
	row ept gups 1 ok 2000 0 0x1 >"$tree/row.ept"
	cat >"$tree/scripts/emulated-host" <<-'END'
	#!/bin/sh
	until_there() {
		tries=0
		while [ ! -e "$1" ] && [ $tries -lt 900 ]; do
			sleep 0.1
			tries=$((tries + 1))
		done
		[ -e "$1" ]
	}
	case "$*" in
	*MODES=shadow*) mode=shadow ;;
	*MODES=ept*) mode=ept ;;
	*) exit 0 ;;
	esac
	echo "$*" >"ran.$mode"
	echo "@env parameter_x 1"
	echo "@progress 0 2 1/2 penumbra $mode gups"
	[ $mode = ept ] || [ ! -e wait ] || until_there last || exit 1
	sed 's/^/@csv /' row.$mode
	if [ -e hang ]; then
		echo $$ >hangs.$mode
		sleep 600
	fi
	echo "@progress 1 2 2/2 penumbra $mode gups"
	[ $mode = shadow ] || : >last
	[ $mode = shadow ] || [ ! -e cut ] || exit 124
	echo "@progress 2 2 2/2 penumbra $mode done"
	[ $mode = shadow ] || [ ! -e broken ]
	END
	chmod +x "$tree"/scripts/*
}

pretended_run() {
	rm -f "$tree"/last "$tree"/ran.* "$tree"/hangs.*
	(cd "$tree" && HOST=emulated exec env "$@" bench/run) >"$tmp/out" 2>"$tmp/err"
	status=$?
}

# The modes of raw.csv's rows, in their order.
modes_in() {
	sed 1d "$1" | cut -d, -f2 | tr '\n' ' '
}

# full PAGES ROWS NAME [DRAW]: a run of ROWS rows a pass, the results on a disk of so many pages.
full() {
	if ! mount -t tmpfs -o "size=$(($1 * 4))k" small "$tree/small" 2>/dev/null; then
		count=$((count + 1))
		echo "ok $count # SKIP $3: a small disk cannot be mounted"
		return
	fi
	ln -s before "$tree/small/latest"
	for n in $(seq "$2"); do
		row ept gups "$n" ok 2000 0 0x1
	done >"$tree/row.ept"
	pretended_run JOBS=1 MODES=ept RESULTS_DIR=small "DRAW=${4:-true}"
	[ "$(readlink "$tree/small/latest")" = before ] && [ $status = 2 ] &&
		grep -q "cannot write small/.*is the disk full?" "$tmp/out" "$tmp/err"
	verdict=$?
	result $verdict "$3"
	[ $verdict = 0 ] || sed 's/^/# /' "$tmp/out" "$tmp/err"
	[ -z "$(find "$tree/small" -size 0 ! -name '*.csv' -type f)" ]
	result $? "and nothing empty is left that looks like a result"
	umount "$tree/small"
}

test_path() {
	mkdir -p "$tmp/a b"
	cp "$top/Makefile" "$tmp/a b/"
	make -C "$tmp/a b" bench >"$tmp/out" 2>"$tmp/err"
	status=$?
	says 2 "penumbra: the path of this folder has a space in it: move it from \".*/a b\"" "a checkout in a path with a space"
}

test_disk_full() {
	mkdir -p "$tree/small"
	# A page each: raw.csv, env.txt.
	full 2 1 "a disk on which rows do not fit loses the pass, not latest"
	full 4 60 "nor does one that fills when the rows are put together"
	# shellcheck disable=SC2016 # for the script
	printf '#!/bin/sh\nfor n in 1 2 3; do dd if=/dev/zero of="$1/$n.png" bs=4096 count=1; done 2>/dev/null\n' \
		>"$tree/draw"
	chmod +x "$tree/draw"
	full 4 8 "nor one without room for all pictures" ./draw
	row ept gups 1 ok 2000 0 0x1 >"$tree/row.ept"
}

test_pretended_run() {
	make_pretended_tree
	pretended_run JOBS=1
	[ "$status:$(modes_in "$tree/results/latest/raw.csv")" = "0:shadow ept " ]
	result $? "a run leaves its rows in results/latest"
	grep -q '^cost_vs_ept\|,cost_vs_ept,' "$tree/results/latest/summary.csv" &&
		[ "$(grep -cx "parameter_x 1" "$tree/results/latest/env.txt")" = 1 ]
	result $? "with a summary and the host's facts, each once"
	has "about .* s left" "it says how much time is left"
	grep -q -- "--mitigations off" "$tree/ran.ept" &&
		grep -qx "mitigations off" "$tree/results/latest/env.txt"
	result $? "the host's kernel has no mitigations, and env.txt says so"

	row shadow gups traced ok 3000 500 0x1 >>"$tree/row.shadow"
	pretended_run MODES=shadow
	has "traced rows and regions of the trace do not match" "a trace that lacks a region is said"
	[ "$status:$(sed -n 3p "$tree/results/latest/raw.csv" | grep -c ',,,,,$')" = 1:1 ]
	result $? "and its columns stay empty"
	: >"$tree/region"
	pretended_run MODES=shadow
	[ "$status:$(tail -n 1 "$tree/results/latest/raw.csv" | grep -c ',gups,a:1,traced,.*,,2,8,0,4.000$')" = 0:1 ]
	result $? "the walks of the traced repetition go into its row"
	pretended_run MODES=shadow WALKS=off
	! grep -q -- --trace "$tree/ran.shadow"
	result $? "WALKS=off starts no trace"
	pretended_run MODES=shadow WALKS=some
	says 2 "WALKS=some: on or off" "WALKS= that is neither"
	rm "$tree/region"
	row shadow gups 1 ok 3000 500 0x1 >"$tree/row.shadow"

	: >"$tree/wait"
	pretended_run JOBS=2
	[ "$status:$(modes_in "$tree/results/latest/raw.csv")" = "0:shadow ept " ]
	result $? "passes run at the same time, and their rows are in order all the same"
	has "pass penumbra ept: .* status 0" "each says how long it took"
	! ls "$tree"/results/latest/part.* >/dev/null 2>&1
	result $? "no part of it is left over"
	rm "$tree/wait"

	pretended_run MODES=ept MITIGATIONS=both
	has "with mitigations=on" "MITIGATIONS=both runs with and without"
	grep -q -- "--mitigations on" "$tree/ran.ept" &&
		grep -qx "mitigations on" "$tree/results/latest/env.txt"
	result $? "on is what the host's kernel does by default"
	pretended_run MITIGATIONS=some
	says 2 "on, off or both" "other MITIGATIONS="
	pretended_run JOBS=0
	says 2 "number from 1 to 99" "JOBS= that cannot be"

	: >"$tree/broken"
	pretended_run JOBS=2
	[ "$status:$(modes_in "$tree/results/latest/raw.csv")" = "1:shadow ept " ]
	result $? "a failing pass fails the run, and the others keep their rows"
	rm "$tree/broken"
	latest=$(readlink "$tree/results/latest")

	: >"$tree/cut"
	pretended_run JOBS=2
	says 2 "2 rows are in results/.*, but not all" "a pass that does not get to its end"
	has "pass penumbra ept did not get to its end" "is named"
	[ "$(readlink "$tree/results/latest")" = "$latest" ]
	result $? "and results/latest does not move"
	rm "$tree/cut"
	test_path
	test_disk_full

	printf 'parm=ept_ad:Flags\0parm=vpid:Tags\0' >"$tree/module"
	mkdir -p "$tree/build/emulated/hv"
	mv "$tree/module" "$tree/build/emulated/hv/penumbra.ko"
	pretended_run MODES=shadow MODULE_ARGS="vpid=0 ept_adx=1"
	says 2 "penumbra.ko has no parameter ept_adx, but ept_ad vpid" "a parameter that the module does not have"
	[ ! -e "$tree/ran.shadow" ]
	result $? "is found before anything runs"
	pretended_run MODES=shadow MODULE_ARGS="vpid=0"
	[ $status = 0 ]
	result $? "one that it has is taken"
	latest=$(readlink "$tree/results/latest")

	# As when kill or a supervisor ends it: a signal to bench/run alone.
	: >"$tree/hang"
	pretended_run JOBS=2 MODES="shadow ept" &
	waiting=$!
	tries=0
	while { [ ! -s "$tree/hangs.shadow" ] || [ ! -s "$tree/hangs.ept" ]; } && [ $tries -lt 900 ]; do
		sleep 0.1
		tries=$((tries + 1))
	done
	hosts="$(cat "$tree/hangs.shadow") $(cat "$tree/hangs.ept")"
	run_pid=$(ps -o pid= -o ppid= -o args= -A | awk -v pid="${hosts%% *}" '
		{ parent[$1] = $2; run[$1] = / bench\/run$/ }
		END { while (pid > 1 && !run[pid]) pid = parent[pid]; print pid }')
	kill -TERM "$run_pid"
	wait $waiting
	grep -q "stopped; 2 rows" "$tmp/out"
	result $? "a stopped run says what it has"
	tries=0
	# shellcheck disable=SC2086 # process numbers
	while kill -0 $hosts 2>/dev/null && [ $tries -lt 900 ]; do
		sleep 0.1
		tries=$((tries + 1))
	done
	[ $tries -lt 900 ]
	result $? "and leaves nothing running"
	[ "$(readlink "$tree/results/latest")" = "$latest" ]
	result $? "nor moves results/latest"
	raw=$tree/$(sed -n 's/.* rows are in \(.*raw.csv\).*/\1/p' "$tmp/out")
	"$tmp/summarize" "$raw" >"$tmp/summary.csv" && [ "$(modes_in "$raw")" = "shadow ept " ]
	result $? "its CSV is valid and in order"
}

# ------------------------------------------------------------------------------ plots

# gtt_row GTT-MODE BURST ELAPSED EXITS SHADOW-CYCLES: 100 operations
gtt_row() {
	row ept upload 1 ok "$3" "$4" 0x1 |
		sed "s/a:1/burst:$2;ring:512/; s/thp,,,,,,,/thp,$1,$4,1,0,0,0,$5/"
}

test_gtt_plots() {
	mkdir -p "$tmp/gtt"
	{
		cat "$tmp/header"
		for burst in 1 8 64; do
			gtt_row strict $burst $((2000 * burst)) $((100 * burst)) $((1000 * burst))
			gtt_row relaxed $burst 8000 100 6000
			gtt_row hybrid $burst $((2000 + 100 * burst)) 100 200
			gtt_row passthrough $burst 1000 100 0
		done
	} >"$tmp/gtt/raw.csv"
	echo "host_tsc_khz 100000" >"$tmp/gtt/env.txt"
	SUMMARIZE=$tmp/summarize "$top/bench/plot" "$tmp/gtt" >"$tmp/out" 2>"$tmp/err"
	result $? "plots of the GTT device"
	sed 's/^/# /' "$tmp/err"
	[ -s "$tmp/gtt/gtt_speed.svg" ] && [ -s "$tmp/gtt/gtt_crossover.pdf" ] &&
		[ ! -e "$tmp/gtt/exits.svg" ]
	result $? "those that there is data for"
	# 20 ticks a frame, 5 million a second; half of it shadowing, in strict.
	grep -q '^| upload | strict | 20 | 5000000 | 1.00x | 50% | 50.0% |' "$tmp/gtt/gtt.md" &&
		grep -q '^| upload burst=8 | hybrid | 28 | .* | -65.0% |$' "$tmp/gtt/gtt.md"
	result $? "and a table with frames a second, share of shadowing and loss"
	echo "@ nothing" >"$tmp/gtt/env.txt"
	SUMMARIZE=$tmp/summarize "$top/bench/plot" "$tmp/gtt" >"$tmp/out" 2>"$tmp/err" &&
		grep -q '^| upload | strict | 20 |  | 1.00x |' "$tmp/gtt/gtt.md"
	result $? "without the clock's frequency there are no seconds"
}

test_plots() {
	if ! command -v gnuplot >/dev/null || ! command -v python3 >/dev/null; then
		count=$((count + 1))
		echo "ok $count # SKIP no gnuplot or python3"
		return
	fi
	mkdir -p "$tmp/results"
	{
		cat "$tmp/header"
		for share in 0 50 100; do
			for mode in shadow ept; do
				row $mode pt_update 1 ok $((2000 + share * 10)) $((share + 1)) 0x1 |
					sed "s/a:1/share:$share/"
			done
		done
		# A mode that nobody knows yet, and a workload that one mode lacks.
		row future gups 1 ok 9000 7 0x1
		row shadow gups 1 ok 9000 70 0x1
	} >"$tmp/results/raw.csv"
	SUMMARIZE=$tmp/summarize "$top/bench/plot" "$tmp/results" >"$tmp/out" 2>"$tmp/err"
	result $? "plots are drawn from any CSV"
	sed 's/^/# /' "$tmp/err"
	good=0
	for format in svg pdf png; do
		[ -s "$tmp/results/headline.$format" ] && [ -s "$tmp/results/exits.$format" ] &&
			[ -s "$tmp/results/sweep_pt_update_share.$format" ] || good=1
	done
	result $good "as SVG, PDF and PNG"
	grep -q "penumbra future" "$tmp/results/headline.svg"
	result $? "a mode that nobody knows is in them"
	grep -q "left out flushes" "$tmp/err" && [ ! -e "$tmp/results/flushes.svg" ]
	result $? "a plot without data is left out, with a sentence"
	test_gtt_plots
	{
		cat "$tmp/header"
		for mode in shadow ept; do
			grown $mode pf 1 10 256 90
			grown $mode pf 8 10 256 90
			grown $mode pf 64 10 256 190
		done
	} >"$tmp/results/raw.csv"
	SUMMARIZE=$tmp/summarize "$top/bench/plot" "$tmp/results" >"$tmp/out" 2>"$tmp/err" &&
		[ -s "$tmp/results/growth.svg" ] && [ ! -e "$tmp/results/headline.pdf" ]
	result $? "what grows has a plot of its own; those that are no longer true go"
	sed 's/^/# /' "$tmp/err"
	SUMMARIZE=$tmp/summarize "$top/bench/plot" "$tmp/absent" >"$tmp/out" 2>"$tmp/err"
	status=$?
	says 2 "is not there" "no CSV"
}

# Lines of a trace as Bochs prints them.
test_profile() {
	cat >"$tmp/symbols" <<-'END'
	base 0xffffffffc0200000
	0000000000001000 t near
	0000000000001020 t far
	0000000000001010 d data
	base 0
	0000000001005000 T guest
	END
	for address in 0000000001005004 ffffffffc020100f ffffffffc0201010 ffffffffc0201020 0000000000000100; do
		for _ in 1 2 3 4; do
			echo "(0).[21] [0x00000549cd93] 0010:$address (unk. ctxt): shl rdx, 0x06 ; 48c1e206"
		done
	done >"$tmp/trace"
	echo "# region 1 ends at tick 7" >>"$tmp/trace"
	echo 2 >"$tmp/ops"
	"$tmp/profile" "$tmp/symbols" "$tmp/ops" <"$tmp/trace" | sed 's/^ *//' >"$tmp/out"
	cat >"$tmp/want" <<-'END'
	10.0 instructions per operation, of 2 operations
	4.0 near
	2.0 far
	2.0 guest
	2.0 where no symbol is known
	END
	sort "$tmp/want" >"$tmp/want.sorted"
	sort "$tmp/out" | cmp -s - "$tmp/want.sorted"
	result $? "instructions are counted by function, and what has none is said"
	: >"$tmp/empty"
	"$tmp/profile" "$tmp/symbols" "$tmp/ops" <"$tmp/empty" >"$tmp/out" 2>"$tmp/err"
	status=$?
	says 1 "nothing was traced" "an empty trace is no profile"
	"$tmp/profile" "$tmp/symbols" "$tmp/empty" <"$tmp/trace" >"$tmp/out" 2>"$tmp/err"
	status=$?
	says 1 "number of operations" "a profile needs the number of operations"
}

build
cat >"$tmp/header" <<'END'
engine,mode,workload,params,rep,status,ops,elapsed,control,clock,host,exits,exits_pt_write,exits_hidden_fault,exits_true_fault,exits_cr3,exits_invlpg,exits_nested,exits_other,flush_guest_invlpg,flush_guest_cr3,flush_guest_invpcid,flush_host,emulated_stores,sptes_written,shadow_pages_peak,shadow_bytes_peak,checksum,guest_faults,backing,gtt_mode,exits_gtt_write,exits_gtt_doorbell,gtt_entries_rebuilt,gtt_portions_compared,gtt_portions_clean,gtt_shadow_cycles,walk_cycles_load,walk_cycles_store,walk_cycles_ept,tlb_flush_dtlb,tlb_flush_stlb,guest_instructions,guest_mib,exits_host,walks,walk_refs_guest,walk_refs_nested,refs_per_walk
END
test_loader
test_options
test_rows
test_summary
test_growth
test_matrix
test_matrix_mem
test_matrix_gtt
test_matrix_direct_faults
test_matrix_words
test_machine
test_run
test_pretended_run
test_plots
test_profile
echo "1..$count"
