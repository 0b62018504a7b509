#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Hold memory of which only every KEEP_ONE_IN-th page is in use.
#
# usage: hold_fragmented.sh start KEEP_ONE_IN MIB
#        hold_fragmented.sh stop
#
# "start" returns once the memory is in its final shape; "stop" fails when the
# holder is gone already, for then what was measured was not what was asked.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/lib.sh"

state=/tmp/hold_fragmented
high_fraction_file=/proc/sys/vm/percpu_pagelist_high_fraction
ready_deadline_s=${HOLD_READY_DEADLINE_S:-300}

fail_with_output() {
	[ ! -f "$state/output" ] || cat "$state/output" >&2
	fail "$1"
}

# Since 6.7 what a CPU keeps to itself grows with what is freed, here to a tenth of
# memory, and goes back to the free lists second by second (mm/page_alloc.c
# decay_pcp_high): in the midst of what is measured. While the holder frees, a CPU
# keeps the least it can.
keep_lists_short() {
	local major minor

	IFS=.- read -r major minor _ < /proc/sys/kernel/osrelease
	[ $((major * 100 + minor)) -ge 607 ] || return 0
	read -r high_fraction < "$high_fraction_file"
	trap 'echo "$high_fraction" > "$high_fraction_file"' EXIT
	echo 1000000 > "$high_fraction_file"
}

start() {
	local pid start_s=$SECONDS

	keep_lists_short
	mkdir "$state" || fail "a holder was started already; stop it first"
	# A session of its own: it outlives the command that starts it.
	setsid fragment_stress --hold "$1" "$2" --ready-file "$state/ready" \
		--max-hold-s "${HOLD_MAX_S:-3600}" \
		< /dev/null > "$state/output" 2>&1 &
	pid=$!
	echo "$pid" > "$state/pid"
	until [ -e "$state/ready" ]; do
		if ! kill -0 "$pid" 2> /dev/null; then
			mv "$state" "$state.failed.$$"
			state=$state.failed.$$
			fail_with_output "fragment_stress ended before it was ready"
		fi
		if [ $((SECONDS - start_s)) -ge "$ready_deadline_s" ]; then
			kill -KILL "$pid"
			fail_with_output "not ready after $ready_deadline_s s; raise HOLD_READY_DEADLINE_S"
		fi
		sleep 0.1
	done
	cat "$state/output"
}

stop() {
	local pid

	[ -f "$state/pid" ] || fail "no holder was started"
	read -r pid < "$state/pid"
	running "$pid" || fail_with_output "the holder ended before it was stopped"
	end_holder "$pid"
	cat "$state/output"
	rm -r "$state"
}

case ${1:-} in
start)
	[ $# -eq 3 ] || usage
	start "$2" "$3"
	;;
stop)
	[ $# -eq 1 ] || usage
	stop
	;;
*)
	usage
	;;
esac
