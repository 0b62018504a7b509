#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The user-space fragmentation workload, with metrics before and after.
#
# usage: run_fragment_experiment.sh MIB ROUNDS [SEED]
#
# fragment_stress comes with the guest, so nothing is compiled here. Under
# run_stage.sh, which sets BUDDYLAB_STAGE, the stage takes the metrics.
set -eu

if [ $# -lt 2 ] || [ $# -gt 3 ]; then
	echo "usage: run_fragment_experiment.sh MIB ROUNDS [SEED]" >&2
	exit 2
fi
root=$(cd "$(dirname "$0")/.." && pwd)
PATH=$root/bin:$PATH

collect() {
	[ -n "${BUDDYLAB_STAGE:-}" ] || bash "$root/scripts/collect_metrics.sh" "$1"
}

collect fragment_before
status=0
fragment_stress --seed "${3:-1}" "$1" "$2" || status=$?
collect fragment_after
exit "$status"
