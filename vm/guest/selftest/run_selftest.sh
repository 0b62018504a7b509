#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Print what the kernel's own tests of the series say, as TAP.
#
# usage: run_selftest.sh kunit|kselftest
#
# KUnit's have run while the kernel booted; on 6.1 debugfs keeps the last parameter
# of a test alone, the log keeps all. The kselftest is the tree's; it takes an
# account that is not root.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/lib.sh"

nobody='nobody:*:65534:65534:nobody:/:/bin/sh'

case ${1:-} in
kunit)
	dmesg | sed 's/^\[[^]]*\] //' |
		sed -n '/TAP version/,/^\(not \)\?ok [0-9]* .*buddy_monitor$/p'
	;;
kselftest)
	grep -q '^nobody:' /etc/passwd || echo "$nobody" >> /etc/passwd
	sh "$root/scripts/buddy_monitor.sh"
	;;
*) usage ;;
esac
