# SPDX-License-Identifier: GPL-2.0-only
"""Engines that do tasks elsewhere than in this process; harness.jobs.runner is their interface."""
