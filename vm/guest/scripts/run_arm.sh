#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# One arm of a comparison: its settings, what it does before, its burst.
#
# usage: run_arm.sh [--sysctl NAME=VALUE]... [--before compact_memory] [--settle S] \
#                   [--background-load N] [--thp-defrag WORD] \
#                   ORDER REQUESTS HOLD_UNTIL_FAIL GFP MAX_MIB
#        run_arm.sh [...] --kind thp|mthp|hugetlb ORDER REQUESTS HOLD_UNTIL_FAIL SEED
#
# S guest seconds let what was set in motion come to rest. With --background-load,
# kmod/background_load.ko makes N small requests of other orders beside the burst;
# its result goes to $BUDDYLAB_STAGE_DIR/background_load, or to results/ where that
# is unset. The burst is run_high_order_module_test.sh with everything held, or
# run_huge_page_burst.sh where a kind is given. What the cross-check saw of it,
# its time line and the frames before and after, goes to "burst", beside
# background_load. A state may have left in
# /tmp/after_burst what is to follow it. The last line is extfrag_events=N:
# allocations that took a block of another migratetype.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/lib.sh"

observations=/sys/kernel/debug/cross_check/burst
load_files=/sys/kernel/debug/background_load
saved=${BUDDYLAB_STAGE_DIR:-$root/results}
after_burst=/tmp/after_burst
thp_defrag=/sys/kernel/mm/transparent_hugepage/defrag

set_sysctl() {
	[[ $1 =~ ^[a-z_]+\.[a-z_0-9]+=[0-9]+$ ]] || usage
	echo "${1#*=}" > "/proc/sys/$(tr . / <<< "${1%%=*}")"
}

act() {
	case $1 in
	compact_memory) echo 1 > /proc/sys/vm/compact_memory ;;
	*) usage ;;
	esac
}

extfrag_events() {
	awk '$1 == "Hits:" { print $2 }' \
		/sys/kernel/tracing/events/kmem/mm_page_alloc_extfrag/hist
}

[[ ${1:-} =~ ^(--[a-z-]+|[0-9]+)$ ]] || usage
attempts=0
kind=module
events_before=$(extfrag_events)
while [[ ${1:-} == --* ]]; do
	case $1 in
	--sysctl) set_sysctl "$2" ;;
	--before) act "$2" ;;
	--settle) sleep "$2" ;;
	--background-load) attempts=$2 ;;
	--thp-defrag) echo "$2" > "$thp_defrag" ;;
	--kind) kind=$2 ;;
	*) usage ;;
	esac
	shift 2
done
[[ $kind:$# == module:5 || $kind:$# == @(thp|mthp|hugetlb):4 ]] || usage

[ "$attempts" -eq 0 ] || load background_load attempts="$attempts"
if [ "$kind" = module ]; then
	BUDDYLAB_OBSERVED=1 bash "$root/scripts/run_high_order_module_test.sh" \
		"$1" "$2" 0 0 "$2" "$3" "$4" "$5"
else
	bash "$root/scripts/run_huge_page_burst.sh" "$kind" "$@"
fi
mkdir -p "$saved"
cat "$observations" > "$saved/burst"
if [ "$attempts" -ne 0 ]; then
	echo 1 > "$load_files/stop"
	cat "$load_files/result" > "$saved/background_load"
	rmmod background_load
fi
[ ! -f "$after_burst" ] || bash "$after_burst"
echo "extfrag_events=$(($(extfrag_events) - events_before))"
