# SPDX-License-Identifier: GPL-2.0-only
"""Where a kernel's source may come from: a module for each kind of place."""
