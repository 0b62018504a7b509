#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What comes after a burst: small requests of the kernel's, then large ones.
#
# usage: later_demand.sh SMALL ORDER REQUESTS [STATE]
#
# SMALL requests of orders 0 to 5 (kmod/bystander.c) keep what they get, as slabs
# and page tables would. With STATE, its holder then lets go of its memory. Last,
# REQUESTS of ORDER are made, all that is got being held. Run by run_arm.sh where
# the maker of the state wrote the call into /tmp/after_burst.
#
# The last line is that of a bystander's result, for compare to count.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/lib.sh"

bystander=/sys/kernel/debug/bystander/result
records=/tmp/later.records
mode=${policy_path}_mode
deadline_s=120

wait_for_bystander() {
	local start_s=$SECONDS

	while grep -q '^state=running' "$bystander"; do
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
load bystander attempts="$small" held="$small" period_us=1 keep=1
wait_for_bystander
awk -F '[ =]' '/^order=/ { failures += $6 } END { print "small_failures=" failures + 0 }' \
	"$bystander"
[ $# -eq 3 ] || bash "$root/scripts/make_state.sh" "$4" release
# What a kernel without the policy would then give, whatever the arm was.
[ ! -f "$mode" ] || echo 0 > "$mode"
RECORDS_FILE=$records bash "$root/scripts/run_high_order_module_test.sh" \
	"$order" "$requests" 0 0 "$requests" 0 kernel 1048576 > /tmp/later.output ||
	fail "the last requests were not made: $(cat /tmp/later.output)"
succeeded=$(sed -n 's/^state=.* succeeded=\([0-9]*\) .*/\1/p' "$records")
rmmod bystander
echo "order=$order attempts=$requests failures=$((requests - succeeded)) later"
