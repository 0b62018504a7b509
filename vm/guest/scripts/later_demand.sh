#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What comes after a burst: small requests of the kernel's, then large ones.
#
# usage: later_demand.sh SMALL ORDER REQUESTS [STATE]
#
# SMALL requests of orders 0 to 5 (kmod/background_load.c) keep what they get, as
# slabs and page tables would. With STATE, its holder then lets go of its memory.
# Last, REQUESTS of ORDER are made, all that is got being held. Run by run_arm.sh
# where the maker of the state wrote the call into /tmp/after_burst.
#
# $BUDDYLAB_STAGE_DIR, or results/ where that is unset, gets later_small, the result
# of the small requests as the module gives it, and later_demand, of the large ones:
#
#   later_demand 1
#   order=9 attempts=256 failures=N
#   end
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/lib.sh"

saved=${BUDDYLAB_STAGE_DIR:-$root/results}
small_result=/sys/kernel/debug/background_load/result
records=/tmp/later.records
mode=${policy_path}_mode
deadline_s=120

wait_for_small_requests() {
	local start_s=$SECONDS

	while grep -q '^state=running' "$small_result"; do
		[ $((SECONDS - start_s)) -lt "$deadline_s" ] ||
			fail "small requests are not done after $deadline_s s; ask for less"
		sleep 0.1
	done
}

if [ $# -lt 3 ] || [ $# -gt 4 ]; then
	usage
fi
small=$1
order=$2
requests=$3
load background_load attempts="$small" held="$small" period_us=1 keep=1
wait_for_small_requests
mkdir -p "$saved"
cat "$small_result" > "$saved/later_small"
[ $# -eq 3 ] || bash "$root/scripts/make_state.sh" "$4" release
# What a kernel without the policy would then give, whatever the arm was.
[ ! -f "$mode" ] || echo 0 > "$mode"
RECORDS_FILE=$records bash "$root/scripts/run_high_order_module_test.sh" \
	"$order" "$requests" 0 0 "$requests" 0 kernel 1048576 > /tmp/later.output ||
	fail "the last requests were not made: $(cat /tmp/later.output)"
succeeded=$(sed -n 's/^state=.* succeeded=\([0-9]*\) .*/\1/p' "$records")
rmmod background_load
cat > "$saved/later_demand" << END
later_demand 1
order=$order attempts=$requests failures=$((requests - succeeded))
end
END
