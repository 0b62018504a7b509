#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Set sysctls for a while, then give them back the values they had.
#
# usage: knobs.sh set NAME=NUMBER...
#        knobs.sh restore
#
# NAME is what sysctl(8) calls it, such as vm.watermark_boost_factor. A knob of
# adaptive compaction is passed over where the kernel has none. "restore" undoes
# each "set" since the last "restore", the latest first.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/lib.sh"

sysctls=${SYSCTL_DIR:-/proc/sys}
saved=${SAVED_KNOBS:-/tmp/knobs}

set_one() {
	local file=$sysctls/${1//.//} before

	if [ ! -e "$file" ] && [[ $1 == "${policy_sysctls}"_* ]]; then
		return
	fi
	read -r before < "$file" || fail "this kernel has no $1"
	echo "$file $before" >> "$saved"
	echo "$2" > "$file"
}

set_all() {
	local knob

	for knob in "$@"; do
		[[ $knob =~ ^[a-z_]+(\.[a-z_0-9]+)+=[0-9]+$ ]] || usage
	done
	for knob in "$@"; do
		set_one "${knob%%=*}" "${knob#*=}"
	done
}

restore() {
	local lines at

	[ -f "$saved" ] || fail "nothing was set"
	mapfile -t lines < "$saved"
	for ((at = ${#lines[@]} - 1; at >= 0; at--)); do
		echo "${lines[at]#* }" > "${lines[at]%% *}"
	done
	rm "$saved"
}

case ${1:-} in
set)
	[ $# -ge 2 ] || usage
	set_all "${@:2}"
	;;
restore)
	[ $# -eq 1 ] || usage
	restore
	;;
*)
	usage
	;;
esac
