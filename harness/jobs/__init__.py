# SPDX-License-Identifier: GPL-2.0-only
"""Verbs made of many builds or boots."""
