#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Bring memory into a named state, hold it there, and let go of it.
#
# usage: make_state.sh NAME [KEY=NUMBER ...] start | check | release | stop
#   movable_K   K = 2 3 4 8 16 32 64: memory filled with anonymous pages, of
#               which one in K stays, by physical address
#   cache_K     the same, of page cache that can be reclaimed
#   hopeless_D  D = 1..9: one page in 2^D of free memory is the kernel's and
#               cannot move, and each aligned 2 MiB (4 where D is 9) holds one
#               that stays
#   mixed_X     X = 0..100: X percent of the pageblocks as in hopeless_D (D is
#               keep_shift, but no 2 MiB are seen to), the rest as in movable_K
#   easy        every second aligned 4 MiB is free, the others can move
#   deferred_K  movable_K, after its pages were pinned and requests of order 9
#               failed until the zone's compaction is deferred as long as
#               possible; the pins are gone again
#   room_X      X = 1..90: X percent of the pageblocks as in mixed_X, all others
#               full of anonymous pages: only unmovable pageblocks have room
#   tight_D     D = 1..9: 64 MiB are held by 16 processes that the OOM killer
#               takes first, all else is as in hopeless_D but that nothing is
#               pinned: a large block comes from what they hold, or not at all
#   cached_D    tight_D, and then 32 MiB of page cache in what is free: reclaim
#               always gets something, and never a large block
#
# seed=N (0: the first page of each group stays); leave_mib=N for all but hopeless,
# tight and cached; keep=N (8) for mixed, keep_shift=N (6) for mixed and room.
#
# vm.compaction_proactiveness is 0 from "start" on, or kcompactd would undo the
# state while nobody looks. Whoever wants it otherwise writes it; a write above 0
# starts kcompactd at once.
#
# "start" returns once memory is in its final shape, with a report that
# harness/compare/states.py reads; "check" and "stop" fail when what held the
# memory is gone, for then the state was not what it was said to be. "release"
# ends only the process that holds memory: what the kernel keeps stays.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/lib.sh"

state=/tmp/state
cache=/tmp/cache_source
proactiveness_file=/proc/sys/vm/compaction_proactiveness
boost_factor_file=/proc/sys/vm/watermark_boost_factor
high_fraction_file=/proc/sys/vm/percpu_pagelist_high_fraction
defers=/sys/kernel/tracing/events/compaction/mm_compaction_defer_compaction
most_defer_shift=6 # COMPACT_MAX_DEFER_SHIFT
# harness/compare/states.py knows these.
victims=16
victim_mib=4
cached_mib=32

# Free blocks of each order, of all zones.
print_free() {
	awk -v name="$1" '{ for (i = 0; i <= 10; i++) sum[i] += $(i + 5) }
		END { line = name "=" sum[0]
			for (i = 1; i <= 10; i++) line = line "," sum[i]
			print line }' /proc/buddyinfo
}

# A CPU may keep as many free pages to itself as the low watermark asks for:
# they are in no free list and merge with nothing. While a state is made or
# undone it keeps the least it can. Nor are watermarks raised meanwhile, which
# would wake kswapd, and what a CPU keeps afterwards would be computed of them.
quieten() {
	read -r high_fraction < "$high_fraction_file"
	read -r boost_factor < "$boost_factor_file"
	trap 'echo "$high_fraction" > "$high_fraction_file"
		echo "$boost_factor" > "$boost_factor_file"' EXIT
	echo 0 > "$proactiveness_file"
	echo 0 > "$boost_factor_file"
	echo 1000000 > "$high_fraction_file"
}

comb() {
	local leave=()

	[ "$leave_mib" -eq 0 ] || leave=(--leave-mib "$leave_mib")
	"$@" --pid-file "$state/pid" --seed "$seed" "${leave[@]}" ||
		fail "$1 failed"
}

# share PERCENT KEEP_ONE_IN: the kernel's pages in the one part, a comb in the rest
share() {
	local block_order

	read -r _ _ _ block_order < /proc/pagetypeinfo
	comb movable_comb --keep-one-in "$2" --share "$1" \
		--then "insmod $root/kmod/unmovable_comb.ko order=$block_order keep_shift=$keep_shift && cat /sys/kernel/debug/unmovable_comb/state"
}

# By how much the highest zone's compaction is deferred.
defer_shift() {
	sed -n 's/^{ idx: *\([0-9]*\), defer_shift: *\([0-9]*\) }.*/\1 \2/p' \
		"$defers/hist" | sort -n | tail -n 1 | cut -d ' ' -f 2
}

# fail_requests NUMBER HOLD_UNTIL_FAIL: how many requests of order 9 got a block.
# kswapd is not woken, nor kcompactd by it: nobody else shall compact.
fail_requests() {
	RECORDS_FILE=$state/records bash \
		"$root/scripts/run_high_order_module_test.sh" \
		9 "$1" 0 0 "$1" "$2" kernel_nokswapd > "$state/output" ||
		fail "the requests were not made: $(cat "$state/output")"
	sed -n 's/^state=.* succeeded=\([0-9]*\) .*/\1/p' "$state/records"
}

# Every page that stays gets a reference, so that no block can be made and none
# moves meanwhile. What is whole is got first, and held while the others fail.
# Each failure doubles the attempts that are left out, of which a request makes
# two: the 32nd request that fails should be the last that is needed.
defer() {
	local shift plug_order=1 whole failures=32 most_failures=64 mode=
	local mode_file=${policy_path}_mode

	[ ! -f "$mode_file" ] || read -r mode < "$mode_file"
	[ -z "$mode" ] || echo 0 > "$mode_file"
	while [ $((2 << plug_order)) -le "$number" ]; do
		plug_order=$((plug_order + 1))
	done
	load unmovable_comb order=10 keep_shift=9 take=1 plug=1 plug_order=$plug_order
	whole=$(fail_requests 64 1)
	fail_requests $((whole + failures - 1)) 0 > /dev/null
	until shift=$(defer_shift) && [ "${shift:=0}" -ge $most_defer_shift ]; do
		[ $failures -lt $most_failures ] ||
			fail "after $failures failures compaction is deferred by 2^$shift, not 2^$most_defer_shift"
		fail_requests $((whole + 1)) 0 > /dev/null
		failures=$((failures + 1))
	done
	rmmod unmovable_comb
	[ -z "$mode" ] || echo "$mode" > "$mode_file"
	echo "defer_shift=$shift failures=$failures"
}

mount_cache() {
	load cache_source
	mkdir -p "$cache"
	mount -t cache_source none "$cache"
}

fill_cache() {
	mount_cache
	head -c $((cached_mib << 20)) "$cache/data" > /dev/null
}

start_victims() {
	local i

	mkdir "$state/victims"
	for ((i = 0; i < victims; i++)); do
		movable_comb --keep-one-in 1 --mib $victim_mib --seed 0 \
			--pid-file "$state/victims/$i" > /dev/null ||
			fail "victim $i of $victims failed"
	done
}

start() {
	quieten
	echo "state 1 name=$name"
	print_free free_before
	mkdir "$state" || fail "a state was made already; stop it first"
	case $name in
	movable_*)
		comb movable_comb --keep-one-in "$number"
		;;
	cache_*)
		mount_cache
		comb cache_comb --file "$cache/data" --keep-one-in "$number"
		;;
	hopeless_*)
		# Segments of 2 MiB do not touch every free range of that size.
		load unmovable_comb order=10 keep_shift="$number" seed="$seed" plug=1 \
			plug_order=$((number < 9 ? 9 : 10))
		cat /sys/kernel/debug/unmovable_comb/state
		;;
	mixed_*)
		share "$number" "$keep"
		;;
	easy)
		comb movable_comb --keep-one-in 2 --block-order 10
		;;
	deferred_*)
		# Its tables take memory: before the comb does.
		echo hist:keys=idx,defer_shift > "$defers/trigger"
		comb movable_comb --keep-one-in "$number"
		defer
		;;
	room_*)
		share "$number" 1
		;;
	tight_* | cached_*)
		start_victims
		load unmovable_comb order=10 keep_shift="$number" seed="$seed"
		cat /sys/kernel/debug/unmovable_comb/state
		[ "$name" = "tight_$number" ] || fill_cache
		;;
	esac
	print_free free_after
	echo "end state name=$name"
}

check() {
	local pid

	[ -d "$state" ] || fail "no state was made"
	if [[ $name == @(hopeless|tight|cached)_* ]]; then
		[ -d /sys/module/unmovable_comb ] || fail "the comb is gone"
		return
	fi
	[ -f "$state/pid" ] || fail "the state was not finished"
	read -r pid < "$state/pid"
	running "$pid" || fail "the holder ended before it was stopped"
}

stop_holder() {
	local pid

	read -r pid < "$state/pid"
	end_holder "$pid"
}

# Those that are left: being killed is what they are for.
stop_victims() {
	local file pid

	for file in "$state/victims"/*; do
		read -r pid < "$file"
		kill -KILL "$pid" 2> /dev/null || :
	done
}

release() {
	check
	[ -f "$state/pid" ] || fail "$name has no holder"
	stop_holder
}

stop() {
	local status=0

	quieten
	( check ) || status=1
	[ "$status" -ne 0 ] || [ ! -f "$state/pid" ] || stop_holder
	# All that can still be undone is undone, whatever became of the holder.
	[ ! -d "$state/victims" ] || stop_victims
	[ ! -d /sys/module/unmovable_comb ] || rmmod unmovable_comb
	! grep -q "^none $cache " /proc/mounts || umount "$cache"
	[ ! -d /sys/module/cache_source ] || rmmod cache_source
	! grep -q ^hist "$defers/trigger" || echo '!hist:keys=idx,defer_shift' > "$defers/trigger"
	rm -rf "$state"
	return "$status"
}

[ $# -ge 2 ] || usage
name=$1
number=${name#*_}
verb=${*: -1}
seed=1
leave_mib=0
keep=8
keep_shift=6
for setting in "${@:2:$#-2}"; do
	[[ $setting =~ ^(seed|leave_mib|keep|keep_shift)=(0|[1-9][0-9]{0,8})$ ]] || usage
	declare "${BASH_REMATCH[1]}=${BASH_REMATCH[2]}"
done
[[ $name =~ ^((movable|cache|deferred)_(2|3|4|8|16|32|64)|(hopeless|tight|cached)_[1-9]|mixed_(0|[1-9][0-9]?|100)|room_([1-8][0-9]?|9|90)|easy)$ ]] || usage
case $verb in
start | check | release | stop) "$verb" ;;
*) usage ;;
esac
