#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The whole guest suite on the emulated VT-x host: every paging mode, three generations of CPU, and
# the same image on KVM with the same checksums.
cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh

out=$(mktemp -d) || exit 1
trap 'rm -rf "$out"' EXIT

on_host skylake --timeout 600 --out "$out/penumbra" -- sh tests/host/suite.sh
on_host "KVM on skylake" --timeout 500 --kvm ept=1 --env ENGINE=kvm --out "$out/kvm" -- \
	sh tests/host/suite.sh
# An old CPU: no accessed/dirty flags in EPT, no monitor trap flag; and one that has the latter.
for model in corei7_ivy_bridge_3770k tigerlake; do
	on_host $model --model $model --timeout 500 -- \
		sh tests/host/suite.sh selftest "pt_update share=50" fork_cow "ctx_switch procs=4" protect mix
done

checksums() {
	awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) col[$i] = i; next }
		$col["checksum"] != "" { print $col["workload"], $col["params"], $col["checksum"] }' "$1" |
		sort -u
}
tests=$((tests + 1))
checksums "$out/kvm/rows.csv" >"$out/a"
checksums "$out/penumbra/rows.csv" | grep -Fx -f "$out/a" >"$out/b"
if [ -s "$out/a" ] && cmp -s "$out/a" "$out/b"; then
	echo "ok $tests - KVM and Penumbra: the same checksums for $(wc -l <"$out/a") workloads"
else
	echo "not ok $tests - KVM and Penumbra: the same checksums"
	diff "$out/a" "$out/b" | sed 's/^/# /'
fi
plan
