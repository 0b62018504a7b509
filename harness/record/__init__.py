# SPDX-License-Identifier: GPL-2.0-only
"""A run as values, how it is read from saved texts, and its replay key."""
