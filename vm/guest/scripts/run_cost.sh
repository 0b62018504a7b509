#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Print what a pair of allocation and release costs, and a slowpath entry.
#
# usage: run_cost.sh
#
# Lines "NAME order=.. pairs=.. failed=.. loop_ns=.. empty_ns=..", and with
# the monitor "NAME slowpath=N": entries of that order while NAME was measured.
#
#   pair_on, pair_off   order 0, the monitor on and (where it can be) off
#   entry_checked       order 4 between the low and the min watermark, so that
#                       each request passes the slowpath, and the fragmentation
#                       check, and is served at once
#   entry_unchecked     the same with requests of order 4 left alone
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/lib.sh"

vm=/proc/sys/vm
entry_order=4

slowpaths() {
	awk -v order="$1" '$1 == order { print $5 }' /proc/buddy_monitor
}

# measure NAME ORDER PAIRS KSWAPD: the module refuses to stay, by design.
measure() {
	local before='' line

	[ ! -f /proc/buddy_monitor ] || before=$(slowpaths "$2")
	! insmod "$root/kmod/alloc_cost.ko" order="$2" pairs="$3" kswapd="$4" \
		2> /dev/null || fail "alloc_cost stayed loaded"
	line=$(dmesg | grep 'alloc_cost: order=' | tail -n 1)
	echo "$1 ${line#*alloc_cost: }"
	[ -z "$before" ] || echo "$1 slowpath=$(($(slowpaths "$2") - before))"
}

# Watermarks such that free memory is just below low and well above min: low
# is min and a quarter.
set_watermarks() {
	awk '/^Node/ { zone = $4 } $1 == "nr_free_pages" { free += $2 }
		END { printf "%d\n", free * 4 * 88 / 100 }' /proc/zoneinfo \
		> "$vm/min_free_kbytes"
}

[ $# -eq 0 ] || usage
echo 3 > "$vm/drop_caches"
measure pair_on 0 200 Y
if [ -f "$vm/buddy_monitor" ]; then
	echo 0 > "$vm/buddy_monitor"
	measure pair_off 0 200 Y
	echo 1 > "$vm/buddy_monitor"
fi
if [ -f "${policy_path}_min_order" ]; then
	kbytes=$(cat "$vm/min_free_kbytes")
	set_watermarks
	measure entry_checked "$entry_order" 50 N
	echo 10 > "${policy_path}_min_order"
	measure entry_unchecked "$entry_order" 50 N
	echo "$kbytes" > "$vm/min_free_kbytes"
fi
