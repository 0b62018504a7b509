#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What mode clear does for requests of one order, in a guest of a test.
#
# usage: last_resort.sh CASE
#   locked    pages that are mlocked, which no compaction may move
#   nofs      pages of files, for requests without __GFP_FS, and for others after
#   killed    a request that is killed as it looks for free pages, and others after
#   confined  a task of a cpuset of node 0, which is full, and one of node 1 after
#
# Prints "NAME=NUMBER" lines.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

order=9
names=(tried backed_off ranges inspected)
ask=/sys/kernel/debug/request_here/ask
answer=/sys/kernel/debug/request_here/answer
counts=/sys/kernel/debug/buddy_monitor/last_resort
vm=/proc/sys/vm

mode() {
	echo "$1" > $vm/adaptive_compaction_mode
}

# Of its columns: tried backed_off ranges inspected scanned made
count() {
	awk -v name="$1" -v order=$order 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) at = i }
		$1 == order { print $at }' $counts
}

values() {
	local name

	for name in "${names[@]}"; do
		count "$name"
	done
	awk '$1 == "pgmigrate_success" { print $2 }' /proc/vmstat
}

# ask_for NAME REQUESTS GFP: what they got, and what was done for them
ask_for() {
	local before after i

	mapfile -t before < <(values)
	echo "$order $2 $3" > $ask
	mapfile -t after < <(values)
	for i in "${!names[@]}"; do
		echo "$1_${names[i]}=$((after[i] - before[i]))"
	done
	echo "$1_moved=$((after[-1] - before[-1]))"
	sed "s/.* succeeded=\([0-9]*\) .*/$1_succeeded=\1/" $answer
}

# What stock gets without the policy is taken first, and kept.
exhaust() {
	mode 0
	echo "$order 4000 $1" > $ask
	until grep -q succeeded=0 $answer; do
		echo "$order 8 $1" > $ask
	done
	mode 5
}

in_node() {
	local node=$1

	shift
	if [ ! -d /tmp/cgroups ]; then
		mkdir /tmp/cgroups
		mount -t cgroup2 none /tmp/cgroups
		echo +cpuset > /tmp/cgroups/cgroup.subtree_control
		mkdir /tmp/cgroups/0 /tmp/cgroups/1
		echo 0 > /tmp/cgroups/0/cpuset.mems
		echo 1 > /tmp/cgroups/1/cpuset.mems
	fi
	echo $BASHPID > /tmp/cgroups/"$node"/cgroup.procs
	"$@"
	echo $BASHPID > /tmp/cgroups/cgroup.procs
}

node_free_mib() {
	awk -v node="$1" '$2 == node && /MemFree/ { print int($4 / 1024) }' \
		/sys/devices/system/node/node"$1"/meminfo
}

locked() {
	echo 0 > $vm/compact_unevictable_allowed
	SHARED_COMB_LOCKED=1 "$here/shared_comb" --keep-one-in 2 --leave-mib 32 --seed 1 \
		--pid-file /tmp/comb > /dev/null
	exhaust kernel
	ask_for refused 20 kernel
	echo 1 > $vm/compact_unevictable_allowed
	sleep 8
	ask_for allowed 8 kernel
}

nofs() {
	"$here/shared_comb" --keep-one-in 2 --leave-mib 32 --seed 1 \
		--pid-file /tmp/comb > /dev/null
	exhaust kernel
	ask_for nofs 20 nofs
	ask_for kernel 8 kernel
}

killed() {
	local before tried pid

	movable_comb --keep-one-in 2 --leave-mib 32 --seed 1 --pid-file /tmp/comb > /dev/null
	exhaust kernel
	tried=$(count tried)
	before=$(count inspected)
	(echo "$order 1 kernel" > $ask) &
	pid=$!
	until [ "$(count tried)" != "$tried" ]; do :; done
	kill -9 $pid
	wait $pid 2> /dev/null || :
	echo "killed_inspected=$(($(count inspected) - before))"
	sed 's/.* killed=\([01]\) .*/killed=\1/' $answer
	ask_for others 4 kernel
}

confined() {
	in_node 0 movable_comb --keep-one-in 1 --mib $(($(node_free_mib 0) - 8)) --seed 1 \
		--pid-file /tmp/full > /dev/null
	in_node 1 movable_comb --keep-one-in 2 --mib $(($(node_free_mib 1) - 24)) --seed 1 \
		--pid-file /tmp/comb > /dev/null
	in_node 1 exhaust hardwall
	in_node 0 ask_for confined 10 hardwall
	in_node 1 ask_for others 4 hardwall
}

for cpu in /sys/devices/system/cpu/cpu[1-9]*/online; do
	[ ! -e "$cpu" ] || echo 1 > "$cpu"
done
echo 0 > $vm/compaction_proactiveness
echo 0 > $vm/watermark_boost_factor
insmod "$here/request_here.ko"
"$1"
