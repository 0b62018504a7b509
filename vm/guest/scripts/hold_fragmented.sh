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
ready_deadline_s=${HOLD_READY_DEADLINE_S:-300}

fail_with_output() {
	[ ! -f "$state/output" ] || cat "$state/output" >&2
	fail "$1"
}

start() {
	local pid start_s=$SECONDS

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
