# SPDX-License-Identifier: GPL-2.0-only
"""Texts of the kernel below /proc, /sys and its log."""
