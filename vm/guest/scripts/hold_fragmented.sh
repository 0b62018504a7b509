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

state=/tmp/hold_fragmented
ready_deadline_s=${HOLD_READY_DEADLINE_S:-300}
stop_deadline_s=30
root=$(cd "$(dirname "$0")/.." && pwd)
PATH=$root/bin:$PATH

usage() {
	echo "usage: hold_fragmented.sh start KEEP_ONE_IN MIB | stop" >&2
	exit 2
}

fail() {
	echo "hold_fragmented.sh: $1" >&2
	[ ! -f "$state/output" ] || cat "$state/output" >&2
	exit 1
}

# A process that has ended but was not waited for has no exe.
running() {
	readlink "/proc/$1/exe" > /dev/null
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
			fail "fragment_stress ended before it was ready"
		fi
		if [ $((SECONDS - start_s)) -ge "$ready_deadline_s" ]; then
			kill -KILL "$pid"
			fail "not ready after $ready_deadline_s s; raise HOLD_READY_DEADLINE_S"
		fi
		sleep 0.1
	done
	cat "$state/output"
}

stop() {
	local pid start_s=$SECONDS

	[ -f "$state/pid" ] || fail "no holder was started"
	read -r pid < "$state/pid"
	running "$pid" || fail "the holder ended before it was stopped"
	kill -TERM "$pid"
	while running "$pid"; do
		if [ $((SECONDS - start_s)) -ge "$stop_deadline_s" ]; then
			kill -KILL "$pid"
			fail "the holder ignored SIGTERM for $stop_deadline_s s"
		fi
		sleep 0.1
	done
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
