#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Run one stage of an experiment and collect everything about it.
#
# usage: run_stage.sh NAME PREPARE CLEANUP DEADLINE_S COMMAND
#
# PREPARE, COMMAND and CLEANUP are strings for "bash -c"; the first and the
# last may be empty. Each of them has DEADLINE_S seconds; then its whole
# process group is told to end, and killed STOP_GRACE_S later.
#
# run/NAME/ gets: prepare (its output), before/, command, output, exit_status
# (124: the deadline passed), records (where the module ran), what else COMMAND
# saves in $BUDDYLAB_STAGE_DIR, after/ (the module unloaded, what PREPARE made
# still there), cleanup (its output), and last sha256sums of all the others.
#
# With $BUDDYLAB_PREDICT, before/ goes to ttyS1 as soon as it is there: the host
# predicts from it what COMMAND does, see run_high_order_module_test.sh.
#
# Exit status: 0 collected, whatever COMMAND returned; 2 usage; else the stage
# could not be collected, and there is no sha256sums.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/lib.sh"
export LC_ALL=C

STOP_GRACE_S=15

if [ $# -ne 5 ] || ! [[ $1 =~ ^[A-Za-z0-9_-]+$ ]] ||
	! [[ $4 =~ ^[1-9][0-9]{0,5}$ ]] || [ -z "$5" ]; then
	usage
fi
name=$1
prepare=$2
cleanup=$3
deadline_s=$4
command=$5
stage=$root/run/$name
export BUDDYLAB_STAGE=$name
export BUDDYLAB_DEADLINE_S=$deadline_s
export BUDDYLAB_STAGE_DIR=$stage
export RECORDS_FILE=$stage/records

log() {
	echo "run_stage.sh: $name: $1" >&2
}

# Level 6, info: in the kernel log, but not on the console.
mark() {
	echo "<6>buddylab: stage $name $1" > /dev/kmsg
}

# Tell a process group to end, and kill what is left of it.
end_group() {
	local start_s=$SECONDS

	kill -TERM -- "-$1" 2> /dev/null || return 0
	while kill -0 -- "-$1" 2> /dev/null; do
		[ $((SECONDS - start_s)) -lt "$STOP_GRACE_S" ] || break
		sleep 0.1
	done
	kill -KILL -- "-$1" 2> /dev/null || :
}

# Nothing of the limited command is left afterwards, nor its timer.
end_limited() {
	[ -n "$group" ] || return 0
	end_group "$group"
	group=
	kill "$timer" 2> /dev/null || :
	# Silent about the signals just sent.
	wait 2> /dev/null
}

# run_limited OUTPUT COMMAND: the status of COMMAND, 124 after the deadline.
# A session of its own makes the group killable; timeout(1) of busybox would
# end only one process of it.
group=
timer=
run_limited() {
	local finished='' status=0

	sleep "$deadline_s" &
	timer=$!
	setsid bash -c "$2" < /dev/null > "$1" 2>&1 &
	group=$!
	wait -n -p finished "$group" "$timer" || status=$?
	if [ "$finished" = "$timer" ]; then
		log "deadline of $deadline_s s passed: $2"
		status=124
	fi
	end_limited
	return "$status"
}

collect() {
	COLLECT_DIR=$stage/$1 bash "$root/scripts/collect_metrics.sh" "$name" > /dev/null
}

unload_module() {
	[ -d /sys/module/high_order_test ] || return 0
	log "high_order_test is still loaded after the command"
	rmmod high_order_test
}

write_sums() {
	local sums

	sums=$(cd "$stage" && find . -type f | sed 's|^\./||' | sort |
		xargs sha256sum) || return 1
	echo "$sums" > "$stage/sha256sums"
}

# Runs on every way out, so that no stage leaves memory to the next one.
finish() {
	local status=$?

	trap - EXIT
	end_limited
	if [ -n "$cleanup" ] && ! run_limited "$stage/cleanup" "$cleanup"; then
		log "cleanup failed: $cleanup"
		cat "$stage/cleanup" >&2
		[ "$status" -ne 0 ] || status=4
	fi
	[ "$status" -ne 0 ] || write_sums || status=5
	exit "$status"
}

mkdir -p "$root/run"
mkdir "$stage" "$stage/before" "$stage/after"
cd "$root"
mark begin
trap finish EXIT
trap 'exit 143' TERM INT HUP

if [ -n "$prepare" ] && ! run_limited "$stage/prepare" "$prepare"; then
	log "prepare failed: $prepare"
	cat "$stage/prepare" >&2
	exit 3
fi
echo "$command" > "$stage/command"
collect before
[ -z "${BUDDYLAB_PREDICT:-}" ] ||
	tar -C "$root/run" -cf - "$name/before" > /dev/ttyS1
status=0
run_limited "$stage/output" "$command" || status=$?
echo "$status" > "$stage/exit_status"
unload_module
mark end
collect after
