#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What mode clear does for requests of one order, in a guest of a test.
#
# usage: last_resort.sh CASE
#   locked  pages that are mlocked, which no compaction may move
#   nofs    pages of files, for requests without __GFP_FS, and for others after
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

for cpu in /sys/devices/system/cpu/cpu[1-9]*/online; do
	[ ! -e "$cpu" ] || echo 1 > "$cpu"
done
echo 0 > $vm/compaction_proactiveness
echo 0 > $vm/watermark_boost_factor
insmod "$here/request_here.ko"
"$1"
