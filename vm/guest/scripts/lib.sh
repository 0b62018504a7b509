# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What the scripts share. Each sets $root, the directory of scripts/, bin/ and
# kmod/, sources this file, and has its usage in its header.
# shellcheck disable=SC2154

PATH=$root/bin:$PATH
# The policy's sysctls have names that begin so, where the kernel has them.
policy_sysctls=vm.adaptive_compaction
# shellcheck disable=SC2034
policy_path=/proc/sys/${policy_sysctls//.//}

# Print the usage from the script's own header, and give up.
usage() {
	sed -n '/^# usage: /,/^#$/s/^# \(.\)/\1/p' "$0" >&2
	exit 2
}

fail() {
	echo "${0##*/}: $1" >&2
	exit 1
}

# load MODULE [PARAMETER=VALUE]...: a module that refuses says why in the log
load() {
	insmod "$root/kmod/$1.ko" "${@:2}" && return
	dmesg | grep "$1: .* refused: " | tail -n 1 >&2 || :
	fail "$1 was not loaded; the kernel log has the reason"
}

# running PID: not by its exe, which is gone before the memory of a process is
running() {
	local line

	read -r line 2> /dev/null < "/proc/$1/stat" || return 1
	[[ ${line##*) } != [ZX]* ]]
}

# end_holder PID: tell a process that holds memory to end, and wait for it
end_holder() {
	local deadline_s=30 start_s=$SECONDS

	kill -TERM "$1"
	while running "$1"; do
		if [ $((SECONDS - start_s)) -ge "$deadline_s" ]; then
			kill -KILL "$1"
			fail "the holder ignored SIGTERM for $deadline_s s"
		fi
		sleep 0.1
	done
}
