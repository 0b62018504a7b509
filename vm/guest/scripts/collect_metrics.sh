#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Save the state of the memory and the whole kernel log.
#
# usage: collect_metrics.sh NAME (letters, digits, _ . -)
#
# Saves into results/NAME_<YYYYmmdd_HHMMSS>, or into exactly $COLLECT_DIR where
# that is set. The files of /proc come from one run of snapshot, see there.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/lib.sh"

if [ $# -ne 1 ] || ! [[ $1 =~ ^[A-Za-z0-9_.-]+$ ]]; then
	usage
fi
directory=${COLLECT_DIR:-$root/results/$1_$(date +%Y%m%d_%H%M%S)}
mkdir -p "$directory"
echo "Saving metrics to $directory"
snapshot "$directory"
dmesg > "$directory/dmesg"
echo "Done."
