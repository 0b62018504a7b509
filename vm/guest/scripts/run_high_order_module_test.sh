#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The kernel workload: load high_order_test, wait for it, save its records.
#
# usage: run_high_order_module_test.sh ORDER REQUESTS HOLD_MS DELAY_MS \
#                                      MOST_HELD HOLD_UNTIL_FAIL [GFP [MAX_MIB]]
#
# The paper gives six numbers (10 512 5000 0 512 1) and not their meaning: the
# reading above is ours. GFP and MAX_MIB are the module's parameters gfp and
# max_mib.
#
# With $BUDDYLAB_PREDICT, a file that takes a status line, the host gets to see
# the state of free memory right before the first request: the guest stands
# still until it has.
#
# With BUDDYLAB_OBSERVED=1 the cross-check keeps a time line of the burst and the
# frames at its end, see kmod/cross_check_burst.c.
#
# The records go to $RECORDS_FILE, or to results/ where that is unset. The wait
# ends after $BUDDYLAB_DEADLINE_S (300) seconds; the module is always unloaded.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/lib.sh"

name=high_order_test
results=/sys/kernel/debug/$name
cross_check=/sys/kernel/debug/cross_check

unload() {
	status=$?
	trap - EXIT
	if [ -d "/sys/module/$name" ]; then
		rmmod "$name" || status=1
	fi
	exit "$status"
}

# The module is loaded and waits; what its loading left is freed by and by. The
# files are opened before: as little as possible shall move after the state was
# taken.
let_host_predict() {
	local freeze start

	exec {freeze}> "$cross_check/freeze" {start}> "$results/start"
	read -r -t 0.5 -u "$silence" || :
	echo "buddylab stage $BUDDYLAB_STAGE predict" > "$BUDDYLAB_PREDICT"
	echo 1 >&"$freeze"
	echo 1 >&"$start"
	exec {freeze}>&- {start}>&-
}

wait_until_done() {
	local deadline_s=$1 start_s=$SECONDS state=

	while read -r state < "$results/state" && [ "$state" != 'done' ]; do
		[ $((SECONDS - start_s)) -lt "$deadline_s" ] ||
			fail "state is $state after $deadline_s s; raise BUDDYLAB_DEADLINE_S"
		read -r -t 0.1 -u "$silence" || :
	done
	[ "$state" = 'done' ] || fail "cannot read $results/state"
}

if [ $# -lt 6 ] || [ $# -gt 8 ]; then
	usage
fi
for number in "${@:1:6}" "${8:-0}" "${BUDDYLAB_DEADLINE_S:-300}"; do
	[[ $number =~ ^(0|[1-9][0-9]{0,8})$ ]] || usage
done
[[ ${7:-kernel} =~ ^[a-z_]+$ ]] || usage
[ ! -d "/sys/module/$name" ] || fail "$name is loaded already; rmmod it first"

records=${RECORDS_FILE:-$root/results/${name}_$(date +%Y%m%d_%H%M%S).records}
mkdir -p "$(dirname "$records")"
trap unload EXIT
trap 'exit 143' TERM INT HUP
# A file that stays silent: "read -t" on it sleeps without a new process,
# which would show in the counters under test.
exec {silence}<> <(:)

wait=0
[ -z "${BUDDYLAB_PREDICT:-}" ] || wait=1
load "$name" order="$1" requests="$2" hold_ms="$3" delay_ms="$4" most_held="$5" \
	hold_until_fail="$6" gfp="${7:-kernel}" max_mib="${8:-0}" wait="$wait" \
	observed="${BUDDYLAB_OBSERVED:-0}"
[ -z "${BUDDYLAB_PREDICT:-}" ] || let_host_predict
wait_until_done "${BUDDYLAB_DEADLINE_S:-300}"

cat "$results/records" > "$records"
[[ $(tail -n 1 "$records") == "end records="* ]] ||
	fail "$records is not complete"
sed -n 2,3p "$records"
dmesg | grep "$name: order=" | tail -n 1 | sed "s/^.*$name: /summary /"
echo "Records saved to $records"
