# SPDX-License-Identifier: GPL-2.0-only
"""Texts of building: sources, patches, logs, objects."""
