#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Run kmod/reallocate.ko and save what it counted after each round.
#
# usage: run_reallocate.sh FILL_PERMILLE PERCENT ROUNDS SEED
#
# The table goes to $BUDDYLAB_STAGE_DIR/reallocate, or to results/ where that is
# unset.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/lib.sh"

saved=${BUDDYLAB_STAGE_DIR:-$root/results}

[ $# -eq 4 ] || usage
for number in "$@"; do
	[[ $number =~ ^[0-9]{1,10}$ ]] || usage
done
load reallocate fill_permille="$1" percent="$2" rounds="$3" seed="$4"
mkdir -p "$saved"
cat /sys/kernel/debug/reallocate/rounds > "$saved/reallocate"
rmmod reallocate
