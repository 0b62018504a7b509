#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Run a command that makes a burst, and say which nodes its blocks may come from.
#
# usage: on_node.sh [--node N] [--cpuset-mems LIST] COMMAND...
#
# With --node kmod/high_order_test.ko takes each block from node N and no other
# (__GFP_THISNODE). With --cpuset-mems all that COMMAND starts is in a cpuset of
# these nodes (0, 0-1, 0,2), and so is the module's thread. What a program asks for
# stays in there; the kernel's own requests do as long as nothing is short, for
# they have no __GFP_HARDWALL beyond the first look at free lists.
#
# The module is made to wait as for a prediction: what would be told to the host
# goes to a pipe, which is read once the thread is where it belongs.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/lib.sh"

module=high_order_test
groups=/tmp/cgroups
cpuset=$groups/burst
told=/tmp/on_node_told

make_cpuset() {
	mkdir "$groups"
	mount -t cgroup2 none "$groups"
	echo +cpuset > "$groups/cgroup.subtree_control"
	mkdir "$cpuset"
	echo "$1" > "$cpuset/cpuset.mems"
}

confine_thread() {
	local comm name moved=

	for comm in /proc/[0-9]*/comm; do
		read -r name 2> /dev/null < "$comm" || continue
		[ "$name" = $module ] || continue
		echo "${comm//[^0-9]/}" > "$cpuset/cgroup.procs"
		moved=1
	done
	[ -n "$moved" ] || fail "$module has no thread to put into a cpuset"
}

# "read -t" on a file that stays silent sleeps without a new process.
place_thread() {
	local silence state=

	exec {silence}<> <(:)
	until read -r state 2> /dev/null < "/sys/kernel/debug/$module/state" &&
		[ "$state" = waiting ]; do
		read -r -t 0.05 -u "$silence" || :
	done
	[ -z "$node" ] || echo "$node" > "/sys/module/$module/parameters/node"
	[ -z "$mems" ] || confine_thread
	read -r _ < "$told"
}

node=
mems=
while [[ ${1:-} == --* ]]; do
	case $1 in
	--node) node=$2 ;;
	--cpuset-mems) mems=$2 ;;
	*) usage ;;
	esac
	shift 2
done
[[ $# -gt 0 && -n $node$mems && $node =~ ^[0-9]*$ && $mems =~ ^[0-9,-]*$ ]] || usage

if [ -n "$mems" ]; then
	make_cpuset "$mems"
	echo $$ > "$cpuset/cgroup.procs"
fi
# A program's burst has no thread of the kernel's.
if [[ " $* " != *" --kind "* ]]; then
	mkfifo "$told"
	# A thread that was not placed must make no request.
	(
		trap '[ $? -eq 0 ] || kill $$' EXIT
		place_thread
	) &
	export BUDDYLAB_PREDICT=$told
fi
exec "$@"
