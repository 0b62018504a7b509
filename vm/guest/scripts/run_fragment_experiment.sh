#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The user-space fragmentation workload, with metrics before and after.
#
# usage: run_fragment_experiment.sh MIB ROUNDS [SEED]
#
# fragment_stress comes with the guest, so nothing is compiled here. Under
# run_stage.sh, which sets BUDDYLAB_STAGE, the stage takes the metrics.
# Without SEED it is the run's, from the kernel's command line, else 1.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/lib.sh"

if [ $# -lt 2 ] || [ $# -gt 3 ]; then
	usage
fi

collect() {
	[ -n "${BUDDYLAB_STAGE:-}" ] || bash "$root/scripts/collect_metrics.sh" "$1"
}

collect fragment_before
status=0
seed=$(sed -n 's/.*buddylab\.seed=\([0-9]*\).*/\1/p' /proc/cmdline)
fragment_stress --seed "${3:-${seed:-1}}" "$1" "$2" || status=$?
collect fragment_after
exit "$status"
