#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Use memory that was plugged in while the machine stood still.
#
# usage: plug_memory.sh kernel|movable|taken MIB
#
# The kernel learns of it by an ACPI event once it goes on, and leaves it offline.
# "kernel" puts all MIB of it online as ordinary memory, "movable" as ZONE_MOVABLE;
# with "taken" it is then put offline again and its device ejected. It prints
# plugged_mib=N: what of MIB is online at the end.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/lib.sh"

memory=/sys/devices/system/memory
# Those that were offline when the wait ended
blocks=()
wait_s=30

find_offline() {
	local file state

	blocks=()
	for file in "$memory"/memory*/state; do
		read -r state < "$file"
		[ "$state" != offline ] || blocks+=("$file")
	done
}

# "read -t" on a file that stays silent sleeps without a new process.
wait_for_blocks() {
	local silence start_s=$SECONDS

	exec {silence}<> <(:)
	until find_offline && [ ${#blocks[@]} -eq "$1" ]; do
		[ $((SECONDS - start_s)) -lt $wait_s ] ||
			fail "${#blocks[@]} of $1 memory blocks came within $wait_s s"
		read -r -t 0.05 -u "$silence" || :
	done
	exec {silence}>&-
}

eject() {
	local device status

	for device in /sys/bus/acpi/devices/PNP0C80:*; do
		read -r status 2> /dev/null < "$device/status" || continue
		[ "$status" -eq 0 ] || echo 1 > "$device/eject"
	done
}

switch() {
	local file

	for file in "${blocks[@]}"; do
		echo "$1" > "$file"
	done
}

count_online() {
	local file state online=0

	for file in "${blocks[@]}"; do
		read -r state 2> /dev/null < "$file" || continue
		[ "$state" != online ] || online=$((online + 1))
	done
	echo $online
}

[[ $# -eq 2 && $1 == @(kernel|movable|taken) && $2 =~ ^[1-9][0-9]{0,5}$ ]] || usage
read -r block_bytes < "$memory/block_size_bytes"
number=$((($2 << 20) / 16#$block_bytes))
wait_for_blocks "$number"
case $1 in
kernel) switch online_kernel ;;
movable) switch online_movable ;;
taken)
	switch online_movable
	switch offline
	eject
	;;
esac
echo "plugged_mib=$(($(count_online) * $2 / number))"
