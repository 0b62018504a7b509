# SPDX-License-Identifier: GPL-2.0-only
"""A source from a directory, as its files are now, committed or not."""

from pathlib import Path

from harness.digest import sha256_text
from harness.host.cache import Cache
from harness.host.source_tree import import_directory
from harness.stages.sources.description import describe, described_again
from harness.values import LOCAL, KernelSource


def bring(path: Path, cache: Cache) -> KernelSource:
    """Copy a directory into the cache, unless it is there unchanged; UserError if no kernel."""
    name, path = str(path), path.resolve()
    # refuse early what is no kernel
    describe(path, origin=LOCAL, digest="", final=path, name=name)
    with cache.locked(f"import-{sha256_text(str(path))[:16]}"):
        return described_again(import_directory(path, cache, describe), origin=LOCAL)
