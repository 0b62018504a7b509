#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Run an arm whose CPUs take turns by a schedule, with a CPU for each who asks.
#
# usage: in_turns.sh [--schedule N] [--cpu N] [--background KIND] \
#                    [--background-cpu N] COMMAND WORD...
#
# COMMAND, which ends in run_arm.sh, makes the burst from CPU N. From before its
# settings until it has ended, KIND goes on beside it, from a CPU of its own:
# "requests" of small blocks (kmod/background_load.c), page "faults" or
# "cache_reads" (background.c). What names no CPU runs where the scheduler has it.
#
# kmod/turns.c gives the CPUs other turns by a schedule from 1 up, and records
# them; its result goes to $BUDDYLAB_STAGE_DIR/turns, that of the background to
# "background" beside it, or to results/ where that is unset.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/lib.sh"

debugfs=/sys/kernel/debug
saved=${BUDDYLAB_STAGE_DIR:-$root/results}
source=/tmp/background
requests=1000000

# mask CPU: as taskset takes it
mask() {
	printf %x $((1 << $1))
}

# bind CPU PID
bind() {
	taskset -p "$(mask "$1")" "$2" > /dev/null
}

# thread NAME: of the kernel's; pidof does not find a name as long as these
thread() {
	local place name

	for place in /proc/[0-9]*; do
		read -r name 2> /dev/null < "$place/comm" || continue
		[ "$name" = "$1" ] || continue
		echo "${place#/proc/}"
		return
	done
	return 1
}

# The burst's thread is there once its module is: held back, bound, and let go.
# Whoever writes to start does nothing else until the last request is made.
insmod() {
	[[ $1 == */high_order_test.ko ]] || {
		command insmod "$@"
		return
	}
	command insmod "$@" wait=1 || return
	bind "$burst_cpu" "$(thread high_order_test)" || return
	echo 1 > /sys/kernel/debug/high_order_test/start
}

start_background() {
	case $background in
	'') ;;
	requests)
		load background_load attempts="$requests"
		[ -z "$background_cpu" ] ||
			bind "$background_cpu" "$(thread background_load)"
		;;
	faults) run_background ;;
	cache_reads)
		[ -d /sys/module/cache_source ] || load cache_source
		mkdir "$source"
		mount -t cache_source none "$source"
		run_background "$source/data"
		;;
	*) usage ;;
	esac
}

# run_background [FILE]: in a process of its own
run_background() {
	set -- "$root/turns/background" "$saved/background" "$@"
	[ -z "$background_cpu" ] || set -- taskset "$(mask "$background_cpu")" "$@"
	"$@" &
	pid=$!
}

end_background() {
	if [ "$background" = requests ]; then
		echo 1 > "$debugfs/background_load/stop"
		cat "$debugfs/background_load/result" > "$saved/background"
		rmmod background_load
	elif [ -n "$background" ]; then
		kill -TERM "$pid"
		wait "$pid" || fail "the background ended with exit $?"
	fi
	[ "$background" != cache_reads ] || umount "$source"
}

schedule=0
burst_cpu=
background=
background_cpu=
while [[ ${1:-} == --* ]]; do
	case $1 in
	--schedule) schedule=$2 ;;
	--cpu) burst_cpu=$2 ;;
	--background) background=$2 ;;
	--background-cpu) background_cpu=$2 ;;
	*) usage ;;
	esac
	shift 2
done
for number in "$schedule" "${burst_cpu:-0}" "${background_cpu:-0}"; do
	[[ $number =~ ^(0|[1-9][0-9]{0,9})$ ]] || usage
done
[ $# -gt 1 ] || usage

mkdir -p "$saved"
load turns schedule="$schedule"
start_background
if [ -n "$burst_cpu" ]; then
	# This shell, whose programs stay where it is; and what it loads.
	bind "$burst_cpu" $$
	export burst_cpu
	export -f insmod bind mask thread
fi
"$@"
end_background
echo 1 > "$debugfs/turns/stop"
cat "$debugfs/turns/result" > "$saved/turns"
rmmod turns
