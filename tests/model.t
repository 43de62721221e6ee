#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The model test: every paging mode, many configurations, random operations against the oracle.
# A failure names the command line that repeats it.
# MODEL_STEPS sets the operations of each run (a quarter with several vCPUs), MODEL_SEED the first seed.
cd "$(dirname "$0")/.." || exit 1
B=${B:-build}
make -s --no-print-directory "$B/tests/model" || {
	echo "Bail out! $B/tests/model does not build"
	exit 1
}
model=$B/tests/model
steps=${MODEL_STEPS:-50000}
seed=${MODEL_SEED:-1}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

shadow_cfgs='vpid=1
vpid=0
budget=43
budget=1000,host=0
calm=1,budget=500
calm=1,budget=500,host=0
calm=1,big=1
mtf=0
mtf=0,vpid=0,budget=44,shadow=1
shadow=1,budget=200
shadow=2,big=1
big=1,budget=200
guest_1g=0,phys=36
phys=46,audit=50
phys=52
split=1,calm=1,budget=500
split=1,big=1,budget=200
switch=1,split=1,big=1
switch=1
share=1
share=1,mtf=0,budget=200,host=0
device=1,calm=1,budget=500
device=1,switch=1'
# Several vCPUs, interleaved at every step: slower, so fewer steps.
vcpus_cfgs='vcpus=2,audit=50
vcpus=3,device=1,switch=1
vcpus=4,calm=1,budget=500
vcpus=2,mtf=0,vpid=0
vcpus=4,split=1,big=1'
ept_cfgs='vpid=1
calm=1
vpid=0
ept=1
ept=2,ept_ad=0,big=1
ept=1,ept_ad=0,vpid=0
big=1
prefault=1
prefault=1,big=1,ept_ad=0
prefault=1,big=1,ept=1
guest_1g=0,phys=36
phys=52
phys=52,prefault=1,switch=1
split=1,calm=1
split=1,big=1
split=1,prefault=1,big=1,ept_ad=0
split=1,device=1,calm=1
device=1,calm=1
device=1,prefault=1,ept_ad=0
npt=1
npt=1,calm=1
npt=1,vpid=0,ept=1
npt=1,ept=2,ept_ad=0,big=1
npt=1,prefault=1,big=1
npt=1,split=1,big=1
npt=1,split=1,prefault=1,big=1,ept_ad=0
npt=1,device=1,calm=1
npt=1,phys=52,switch=1'

for mode in $("$model" --mode list); do
	case $mode in
	ept) cfgs=$ept_cfgs ;;
	shadow) cfgs="$shadow_cfgs
direct=1
direct=1,mtf=0,budget=200
direct=1,calm=1,budget=500
direct=1,switch=1,big=1" ;;
	hybrid) cfgs="$shadow_cfgs
threshold=0,quiet=1
threshold=20,quiet=10" ;;
	*) cfgs=$shadow_cfgs ;;
	esac
	for cfg in $cfgs; do
		echo "--mode $mode --cfg $cfg --steps $steps --seed $seed"
		seed=$((seed + 1))
	done
done >"$dir/runs"
for mode in $("$model" --mode list); do
	more=
	[ "$mode" = ept ] || more='vcpus=4,share=1,budget=200 vcpus=2,direct=1,budget=200'
	for cfg in $vcpus_cfgs $more; do
		echo "--mode $mode --cfg $cfg --steps $((steps / 4)) --seed $seed"
		seed=$((seed + 1))
	done
done >>"$dir/runs"
# Runs that found a bug once.
echo "--mode hybrid --cfg share=1,mtf=0,budget=200,host=0 --steps 50000 --seed 55" >>"$dir/runs"

nr=$(wc -l <"$dir/runs")
echo "1..$nr"
# Each run's output and status go to files of its own; TAP lines come out in order afterwards.
export model dir
# shellcheck disable=SC2016 # expanded by the inner shell
nl -ba -w1 -s' ' "$dir/runs" | xargs -P "$(nproc)" -L 1 sh -c '
	n=$1
	shift
	timeout 300 "$model" "$@" >"$dir/$n.out" 2>&1
	echo $? >"$dir/$n.status"' run

n=0
failed=0
while read -r run; do
	n=$((n + 1))
	status=$(cat "$dir/$n.status" 2>/dev/null)
	if [ "$status" = 0 ]; then
		echo "ok $n - $run"
		sed 's/^/# /' "$dir/$n.out"
	else
		failed=1
		echo "not ok $n - $run"
		echo "# again: $model $run (status ${status:-none})"
		tail -n 70 "$dir/$n.out" | sed 's/^/# /'
	fi
done <"$dir/runs"
exit $failed
