# SPDX-License-Identifier: GPL-2.0-only
"""Everything that touches a process, a socket, a clock or a virtual machine."""
