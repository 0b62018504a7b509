#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Force every way out of the page allocator, and print what was counted.
#
# usage: run_torture.sh
#
# The cases are those of kmod/torture_cases.c; this script makes the world in
# which each of them runs: fault injection, a small control group, memory in
# which no large block can be made, the policy's knobs. A line
#   alloc_torture 1 cpus=N page_owner=0|1 policy=0|1 last_resort=0|1 [lists=0] [nolock=1]
# comes first, with lists=0 on a kernel whose batches go to an array only, with
# nolock=1 on one that has requests that wait for no lock, then the results of
# the cases, last "end cases=N".
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/lib.sh"

name=alloc_torture
results=/sys/kernel/debug/$name
injection=/sys/kernel/debug/fail_page_alloc
knobs=$policy_path
# A kernel that has it has modes 3 to 5, too.
last_resort=/sys/kernel/debug/buddy_monitor/last_resort
group=/tmp/torture_cgroup
limit_kib=2048
ran=0
comb=

# Runs on every way out: nothing here may reach the next stage.
finish() {
	local status=$?

	trap - EXIT
	[ ! -d "$injection" ] || inject_nothing || status=1
	[ -z "$comb" ] || bash "$root/scripts/unmovable_comb.sh" stop || status=1
	restore_knobs || status=1
	[ ! -d "$group" ] || leave_group || status=1
	[ ! -d "/sys/module/$name" ] || rmmod "$name" || status=1
	exit "$status"
}

# run CASE[:REMARK]: in this shell, whose group and faults apply to it
run() {
	echo "$1" > "$results/run" || fail "case $1 did not run"
	cat "$results/result"
	ran=$((ran + 1))
}

# inject TIMES MIN_ORDER: the next TIMES requests of the module's own fail
inject() {
	echo 1 > "$injection/task-filter"
	echo 0 > "$injection/ignore-gfp-wait"
	echo 0 > "$injection/verbose"
	echo "$2" > "$injection/min-order"
	echo "$1" > "$injection/times"
	echo 100 > "$injection/probability"
}

inject_nothing() {
	echo 0 > "$injection/probability"
}

injected() {
	inject 5 0
	run inject_0
	inject 5 4
	run inject_4
	inject 5 5
	run inject_4:min_order_5
	inject 1 10
	run inject_10
	inject 5 0
	run inject_nofail
	inject 1 0
	run inject_bulk
	inject 1 0
	run inject_bulk_one
	inject_nothing
	run inject_4:off
}

# A task in the root group is never charged: a group of its own, too small.
enter_group() {
	mkdir "$group"
	mount -t cgroup2 cgroup2 "$group"
	echo +memory > "$group/cgroup.subtree_control"
	mkdir "$group/small"
	echo $((limit_kib * 1024)) > "$group/small/memory.max"
}

leave_group() {
	if [ -d "$group/small" ]; then
		rmdir "$group/small"
		umount "$group"
	fi
	rmdir "$group"
}

charged() {
	enter_group
	(
		echo "$BASHPID" > "$group/small/cgroup.procs"
		for each in memcg_4 memcg_full_0 memcg_full_4 memcg_limit \
			bulk_account bulk_memcg; do
			echo "$each" > "$results/run" || exit 1
			# Not cat: it would be charged, too.
			while read -r line; do
				echo "$line"
			done < "$results/result"
		done
	) || fail "the cases of the control group did not run"
	ran=$((ran + 6))
	leave_group
}

# policy MODE THRESHOLD CUTOFF MIN_ORDER
policy() {
	[ -e "${knobs}_mode" ] || return 0
	echo "$1" > "${knobs}_mode"
	echo "$2" > "${knobs}_threshold"
	echo "$3" > "${knobs}_cutoff"
	echo "$4" > "${knobs}_min_order"
}

# Taking memory of another type would raise the watermarks as we go.
boost=/proc/sys/vm/watermark_boost_factor
saved=
saved_boost=
save_knobs() {
	saved_boost=$(cat "$boost")
	echo 0 > "$boost"
	[ -e "${knobs}_mode" ] || return 0
	saved="$(cat "${knobs}_mode" "${knobs}_threshold" "${knobs}_cutoff" \
		"${knobs}_min_order" | tr '\n' ' ')"
}

restore_knobs() {
	[ -z "$saved_boost" ] || echo "$saved_boost" > "$boost"
	# shellcheck disable=SC2086
	[ -z "$saved" ] || policy $saved
}

# While interrupts come and ask, nobody may see more outcomes than requests.
# awk takes the whole text with one read: the kernel makes it anew for each.
watched() {
	local reads=8000 ahead

	[ -e /proc/buddy_monitor ] || return 0
	echo shoot > "$results/run"
	ahead=$(awk -v reads="$reads" -v file=/proc/buddy_monitor 'BEGIN {
		for (i = 0; i < reads; i++) {
			while ((getline < file) > 0)
				ahead += $2 < $3 + $4 && $1 != "order"
			close(file)
		}
		print ahead + 0
	}')
	run hold_fire
	echo "reads=$reads ahead=$ahead"
}

# With the policy at its strongest, what it has no part in
untouched() {
	[ -e "${knobs}_mode" ] || return 0
	policy 2 0 10 3
	run min_watermark_sleep:early
	restore_knobs
	echo 0 > "$boost"
}

hopeless() {
	local each

	# Pages of the kernel hold ranges that the comb does not. What is freed late
	# (by RCU, of a control group, by the CPU) must be gone before, not after.
	echo 3 > /proc/sys/vm/drop_caches
	sleep 2
	echo 1 > /proc/sys/vm/compact_memory
	bash "$root/scripts/unmovable_comb.sh" start 10 6 8
	comb=1
	policy 0 0 10 3
	for each in nowait atomic costly costly_8 costly_deferred noretry \
		noretry_deferred noio memalloc memalloc_flag exhausted \
		oom_victim; do
		run "$each"
	done
	[ -e "${knobs}_mode" ] || return 0
	policy 2 0 10 3
	for each in nowait atomic costly costly_8 costly_deferred noretry \
		noretry_deferred noio memalloc memalloc_flag exhausted; do
		run "$each:early"
	done
	policy 1 0 10 3
	run costly:late
	run costly_deferred:late
	# One page in 64 is kept: of 63 free ones, 7 are in blocks below order
	# 3 (11 %), and 15 in blocks below order 4 (23 %).
	policy 2 17 3 3
	run costly:cutoff_3
	policy 2 17 4 3
	run costly:cutoff_4
	# No free block has order 10: all of them are below it.
	policy 2 100 10 3
	run costly:at_threshold
	policy 2 99 10 3
	run costly:above_threshold
	policy 2 0 10 10
	run costly:min_order_10
	run costly_8:min_order_10
	[ ! -e "$last_resort" ] || hopeless_later
}

# Order 8 before order 10: after a failure higher orders back off, too.
hopeless_later() {
	local each mode

	policy 3 0 10 3
	run costly:light
	run costly_deferred:light
	policy 3 100 10 3
	run costly:light_at_threshold
	for mode in 4:last 5:clear; do
		policy "${mode%:*}" 0 10 3
		mode=${mode#*:}
		for each in nowait noio memalloc memalloc_flag noretry \
			noretry_deferred costly_8 costly exhausted; do
			run "$each:$mode"
		done
	done
	policy 4 0 10 3
	run costly_deferred:last
	policy 4 100 10 3
	run costly:last_at_threshold
	policy 4 0 10 10
	run costly_8:last_min_order_10
	policy 5 100 10 3
	run costly:clear_at_threshold
	policy 5 0 10 10
	run costly_8:clear_min_order_10
}

# A CPU that goes takes no counter with it.
offlined() {
	local cpu=/sys/devices/system/cpu/cpu1/online

	[ -e "$cpu" ] || return 0
	echo 0 > "$cpu"
	run still:cpu_offline
	echo 1 > "$cpu"
}

[ $# -eq 0 ] || usage
[ ! -d "/sys/module/$name" ] || fail "$name is loaded already; rmmod it first"
owner=0
! grep -q 'page_owner=on' /proc/cmdline || owner=1
knob=0
[ ! -e "${knobs}_mode" ] || knob=1
last=0
[ ! -e "$last_resort" ] || last=1
trap finish EXIT
trap 'exit 143' TERM INT HUP
save_knobs
load "$name"

batches="bulk_empty bulk_holey bulk_last bulk_full bulk_one bulk_none"
lists=
if grep -qx bulk_list "$results/cases"; then
	batches="$batches bulk_list"
else
	lists=" lists=0"
fi
unlocked=
nolock=
if grep -qx nolock_0 "$results/cases"; then
	unlocked="nolock_0 nolock_3 nolock_4 nolock_drained"
	nolock=" nolock=1"
fi
echo "alloc_torture 1 cpus=$(nproc) page_owner=$owner policy=$knob" \
	"last_resort=$last$lists$nolock"
for order in 0 1 2 3 4 5 6 7 8 9 10; do
	run "fast_$order"
done
for each in kernel_4 kernel_10 invalid_11 invalid_20 $batches bulk_drained $unlocked \
	nofail_0 nofail_1 min_watermark \
	reserves drained; do
	run "$each"
done
# Others may ask for memory while this one lies near the last of it.
if [ "$(nproc)" -eq 1 ]; then
	run min_watermark_sleep
	untouched
	run nofail_reserve
	run nofail_reserve_0
fi
injected
run hammer
offlined
run hammer_irq
watched
charged
hopeless
bash "$root/scripts/unmovable_comb.sh" stop
comb=
echo "end cases=$ran"
