# SPDX-License-Identifier: GPL-2.0-only
"""Texts of our own modules and programs in the guest."""
