# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh disable=SC2030,SC2031 # the count comes back through a file
# For tests that run a script of tests/host on the emulated host: number its TAP lines as they
# come, and make a machine that dies a failure.

tests=0

# on_host LABEL [OPTION...] -- SCRIPT [ARGUMENT...]
on_host() {
	label=$1
	shift
	tap=$(mktemp -d) || exit 1
	(
		scripts/emulated-host "$@" 2>"$tap/err"
		echo $? >"$tap/status"
	) | while IFS= read -r line; do
		case $line in
		"ok - "*)
			tests=$((tests + 1))
			echo "ok $tests - $label: ${line#ok - }"
			;;
		"not ok - "*)
			tests=$((tests + 1))
			echo "not ok $tests - $label: ${line#not ok - }"
			;;
		"Bail out!"*) echo "$line" ;;
		*) echo "# $line" ;;
		esac
		echo "$tests" >"$tap/tests"
	done
	before=$tests
	read -r tests <"$tap/tests" || tests=$before
	read -r status <"$tap/status" || status=none
	tests=$((tests + 1))
	if [ "$status" = 0 ] && [ "$tests" -gt $((before + 1)) ]; then
		echo "ok $tests - $label: the emulated host lived through it"
	else
		echo "not ok $tests - $label: the emulated host ended with status $status"
		sed 's/^/# /' "$tap/err"
	fi
	rm -rf "$tap"
}

plan() {
	echo "1..$tests"
}
