#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A burst of requests for huge pages by a program: page faults, or hugetlb's pool.
#
# usage: run_huge_page_burst.sh thp|mthp|hugetlb ORDER REQUESTS HOLD_UNTIL_FAIL SEED
#
# huge_page_burst.c says what each kind is. Its records go to
# $BUDDYLAB_STAGE_DIR/requests, or to results/ where that is unset.
#
# khugepaged, which would ask for huge pages of its own, sleeps from here on. Huge
# pages are allowed to who asks, which they are not at boot in less than 512 MiB, and
# of mthp the one size of ORDER: these settings stay. The pool gets its size back.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/lib.sh"

thp=/sys/kernel/mm/transparent_hugepage
pool=/proc/sys/vm/nr_hugepages
forever_ms=4294967295
min_free_file=/proc/sys/vm/min_free_kbytes

allow_one_size() {
	local size=$thp/hugepages-$((4 << $1))kB file

	[ -d "$size/stats" ] ||
		fail "this kernel has no statistics of huge pages of order $1; give one of 6.10 or later"
	for file in "$thp"/hugepages-*/enabled; do
		echo never > "$file"
	done
	echo madvise > "$size/enabled"
}

restore_pool() {
	status=$?
	trap - EXIT
	echo "$pages" > "$pool" || status=1
	exit "$status"
}

[ $# -eq 5 ] || usage
for number in "${@:2}"; do
	[[ $number =~ ^(0|[1-9][0-9]{0,9})$ ]] || usage
done
read -r min_free < $min_free_file
case $1 in
thp) echo madvise > "$thp/enabled" ;;
mthp) allow_one_size "$2" ;;
hugetlb)
	read -r pages < "$pool"
	trap restore_pool EXIT
	;;
*) usage ;;
esac
# To allow them raises the watermarks (mm/khugepaged.c set_recommended_min_free_kbytes).
echo "$min_free" > $min_free_file
echo $forever_ms > "$thp/khugepaged/scan_sleep_millisecs"

records=${BUDDYLAB_STAGE_DIR:-$root/results}/requests
mkdir -p "$(dirname "$records")"
huge_page_burst "$@" "$records" || fail "huge_page_burst ended with exit $?"
sed -n 2,4p "$records"
