# SPDX-License-Identifier: GPL-2.0-only
"""buddylab: change the Linux page allocator and know what the change did."""

from importlib import metadata

try:
    __version__ = metadata.version("buddylab")
except metadata.PackageNotFoundError:  # run from a directory that nobody has installed
    __version__ = "0.0.0+unknown"
