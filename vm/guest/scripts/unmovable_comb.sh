#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Cut free memory into small blocks with pages that cannot move.
#
# usage: unmovable_comb.sh start ORDER KEEP_SHIFT [PLUG_ORDER [TAKE [RESERVE_MIB]]]
#        unmovable_comb.sh stop
#
# One page in 2^KEEP_SHIFT is kept of all free blocks, or of TAKE blocks of
# ORDER. With PLUG_ORDER above 0, each aligned range of that order gets a page
# that stays. "start" returns once memory is in its final shape and prints what
# it came to; both are what kmod/unmovable_comb.c says of itself. Where a range
# is left open, because pages in it were being freed just then, it is done anew
# up to ATTEMPTS times.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/lib.sh"

name=unmovable_comb
state_file=/sys/kernel/debug/$name/state
ATTEMPTS=4

start() {
	local number plug=0 attempt state

	for number in "$@"; do
		[[ $number =~ ^(0|[1-9][0-9]{0,8})$ ]] || usage
	done
	[ ! -d "/sys/module/$name" ] || fail "a comb is there already; stop it first"
	[ "${3:-0}" -eq 0 ] || plug=1
	for ((attempt = 1; ; attempt++)); do
		load "$name" order="$1" keep_shift="$2" plug=$plug \
			plug_order="${3/#0/10}" take="${4:-0}" reserve_mib="${5:-16}"
		state=$(cat "$state_file")
		[ "$plug" -eq 1 ] && [ "$attempt" -lt "$ATTEMPTS" ] || break
		[[ $state != *" open=0" ]] || break
		rmmod "$name"
		# What frees pages late, such as RCU, has its turn.
		sleep 1
	done
	echo "$state"
}

case ${1:-} in
start)
	if [ $# -lt 3 ] || [ $# -gt 6 ]; then
		usage
	fi
	start "$2" "$3" "${4:-0}" "${5:-0}" "${6:-16}"
	;;
stop)
	[ $# -eq 1 ] || usage
	[ -d "/sys/module/$name" ] || fail "no comb was started"
	cat "$state_file"
	rmmod "$name"
	;;
*)
	usage
	;;
esac
