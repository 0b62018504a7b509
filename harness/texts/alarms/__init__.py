# SPDX-License-Identifier: GPL-2.0-only
"""What a kernel's log says is wrong with it, by what the kernels' own sources can print."""
