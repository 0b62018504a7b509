# SPDX-License-Identifier: GPL-2.0-only
"""buddylab: change the Linux page allocator and know what the change did."""

__version__ = "0.1.0"
