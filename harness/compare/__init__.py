# SPDX-License-Identifier: GPL-2.0-only
"""Paired comparisons of kernels and settings from the same state of memory."""
