#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The figures in README.md, docs/ and headlines.txt are those of results/reference, a number that is
# in no CSV is said to be none, and all parts of the reference are of one revision; then, on small
# texts made here, that the check sees what it is for. TAP.
cd "$(dirname "$0")/.." || exit 1
B=${B:-build}
make -s --no-print-directory "$B/summarize" || {
	echo "Bail out! the programs do not build"
	exit 1
}
dir=$(mktemp -d) || exit 1
n=0
failed=0
# ok DESCRIPTION COMMAND...
ok() {
	n=$((n + 1))
	what=$1
	shift
	if "$@"; then
		echo "ok $n - $what"
	else
		failed=1
		echo "not ok $n - $what"
	fi
}
trap 'rm -rf "$dir"' EXIT

bench/quote >"$dir/out" 2>"$dir/err"
status=$?
sed 's/^/# /' "$dir/out" "$dir/err"
ok "README.md, docs/ and headlines.txt say what results/reference has" [ $status = 0 ]
ok "and hundreds of figures are behind that" \
	[ "$(sed -n 's/^quote: \([0-9]*\) figures.*/\1/p' "$dir/out")" -gt 250 ]

# A tree of its own: a reference of two rows, a text of three lines.
mkdir -p "$dir/tree/bench" "$dir/tree/docs" "$dir/tree/results/reference/run" "$dir/tree/build"
cp -r bench/quote bench/reporting bench/plots "$dir/tree/bench/"
cp "$B/summarize" "$dir/tree/build/"
cat >"$dir/tree/results/reference/run/summary.csv" <<-'END'
	engine,mode,workload,params,elapsed_per_op,exits_per_op
	penumbra,shadow,mix,ops:4,100,8
	penumbra,ssp,mix,ops:4,250,4
END
cat >"$dir/tree/bench/quoted.conf" <<-'END'
	define row {exits("shadow", "$1") ; n} | {exits("ssp", "$1") ; n} ({saved("ssp", "$1") ; +.0f}%, {time("ssp", "$1") ; .1f}x)
	[*]
	\bDebian \d+\b
	[README.md]
	| mix | <<row mix>> |
	with 4 jobs
END
text() {
	printf '%s\n' "$@" >"$dir/tree/README.md"
	rm -f "$dir/tree/docs"/*
}
# says DESCRIPTION STATUS TEXT [ARGUMENT...]: what the check says, on either stream
says() {
	told=$1 want=$2 sentence=$3
	shift 3
	(cd "$dir/tree" && bench/quote "$@") >"$dir/out" 2>&1
	status=$?
	[ "$status" = "$want" ] || sed 's/^/# /' "$dir/out"
	[ "$status" = "$want" ] && grep -qF -- "$sentence" "$dir/out"
	ok "$told" [ $? = 0 ]
}
good='| mix | 8.00 | 4.00 (-50%, 2.5x) |'
text "$good" "On Debian 12," "with" "4 jobs, x86 and \`code 99\` ([a link](at/7))."
says "a text that is right" 0 "4 figures in 1 files, 0 problems"
text "| mix | 8.00 | 4.00 (-50%, 2.4x) |" "with 4 jobs"
says "a figure that is not the reference's" 1 "README.md:1: 2.4 should be 2.5"
says "--write puts it right, and says what it did" 1 "1 written" --write
says "so that it is" 0 "0 problems"
text "$good" "with 4 jobs" "and 17% more"
says "a number that nothing stands behind" 1 "README.md:3: 17% is in no piece"
text "$good" "with 4 jobs" "| gups | 1011 |"
says "a row of a table that nothing stands behind" 1 "README.md:3: 1011 is in no piece"
text "$good"
says "a piece that the text does not have" 1 "in README.md 0 times"
text "$good" "with 4 jobs" "with 4 jobs"
says "or has twice" 1 "in README.md 2 times"
text "$good" "with 4 jobs"
echo "It takes 3 turns." >"$dir/tree/docs/new.md"
says "a document that is not listed is not left out" 1 "docs/new.md:1: 3 is in no piece"
text "$good" "with 4 jobs"
sed -i 's/exits("shadow"/cost("shadow"/' "$dir/tree/bench/quoted.conf"
says "a figure that was not taken, where the reference was not taken as a whole" 0 \
	"1 figures are not in the reference: make cost"
echo abc123 >"$dir/tree/results/reference/REVISION"
echo "revision abc123" >"$dir/tree/results/reference/run/env.txt"
says "and where it was" 1 "1 figures are not in the reference: make cost"
sed -i 's/cost("shadow"/exits("shadow"/' "$dir/tree/bench/quoted.conf"
says "a reference of one revision" 0 "0 problems"
mkdir "$dir/tree/results/reference/walks"
echo "revision def456" >"$dir/tree/results/reference/walks/env.txt"
says "and of two" 1 "results/reference/walks: of def456, not of abc123"
rm -r "$dir/tree/results/reference/walks"
cp results/reference/run/raw.csv "$dir/tree/results/reference/run/"
echo "not these" >"$dir/tree/results/reference/run/headlines.txt"
says "headlines that the rows do not give" 1 "results/reference/run/headlines.txt is not what"
says "are made anew" 1 "1 problems" --write
says "and are right then" 0 "0 problems"
sed -i 's/; n} |/ n} |/' "$dir/tree/bench/quoted.conf"
says "an expression that is none" 2 "quote: "
echo "1..$n"
exit $failed
