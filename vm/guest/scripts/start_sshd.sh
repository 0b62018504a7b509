#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Start the ssh server, keys only, and print its new host key.
#
# usage: start_sshd.sh
#
# The key is made here and printed on the console, so the reader of the console
# knows which key to expect before the first connection.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/lib.sh"

key=/etc/dropbear/ed25519_host_key
pid_file=/run/dropbear.pid

[ $# -eq 0 ] || usage
[ -s /root/.ssh/authorized_keys ] ||
	fail "no authorized key; pass fw_cfg opt/buddylab/authorized_key"
mkdir -p "${key%/*}"
[ -f "$key" ] || dropbearkey -t ed25519 -f "$key" > /dev/null
if [ ! -f "$pid_file" ]; then
	# -s no passwords, -j -k no port forwarding
	dropbear -s -j -k -p 22 -r "$key" -P "$pid_file"
fi
dropbearkey -y -f "$key" | awk '$1 == "ssh-ed25519" { print "hostkey", $1, $2 }'
