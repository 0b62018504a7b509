#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Wait until no CPU has free pages of another node than its own on its lists.
#
# usage: empty_lists.sh WAIT_S
#
# kmod/unmovable_comb.c takes what is on a CPU's lists by requests, which are served by
# the CPU's own node as long as it has memory. A list of another node is given back
# by the kernel after three seconds without use (mm/vmstat.c refresh_cpu_vm_stats).
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/lib.sh"

nodes=/sys/devices/system/node

# Lines of "CPU NODE"
homes() {
	local link

	for link in "$nodes"/node*/cpu[0-9]*; do
		[[ $link =~ /node([0-9]+)/cpu([0-9]+)$ ]] || continue
		echo "${BASH_REMATCH[2]} ${BASH_REMATCH[1]}"
	done
}

of_others() {
	awk 'FNR == NR { home[$1] = $2; next }
		$1 == "Node" { node = $2 + 0 }
		$1 == "cpu:" { cpu = $2 + 0 }
		$1 == "count:" && home[cpu] != node { pages += $2 }
		END { print pages + 0 }' <(homes) /proc/zoneinfo
}

[[ $# -eq 1 && $1 =~ ^[1-9][0-9]{0,2}$ ]] || usage
for ((waited_s = 0; waited_s < $1; waited_s++)); do
	pages=$(of_others)
	[ "$pages" -ne 0 ] || exit 0
	sleep 1
done
fail "$pages pages of other nodes are on CPUs' lists after $1 s"
