# SPDX-License-Identifier: GPL-2.0-only
"""fetch: from the name of a kernel to a pristine source tree in the cache."""

import logging
from pathlib import Path

from harness.errors import UserError
from harness.host.cache import Cache
from harness.host.download import UnreachableError
from harness.stages.sources import archive, commit, debian, directory, release
from harness.values import LOCAL, KernelSource

logger = logging.getLogger("fetch")

DEFAULT_RELEASE = "5.15.180"


def fetch(kernel: str | None, cache: Cache) -> KernelSource:
    """Bring the source that `kernel` names: a release, debian:6.1, a path, or DIR@COMMIT.

    Without a name: 5.15.180, and where kernel.org is out of reach a 5.15.180 source from
    the cache, else debian:6.1. Raises UserError, HostError or StageError.
    """
    if kernel is None:
        return _default(cache)
    if kernel in release.ARCHIVE_SHA256:
        return release.bring(kernel, cache)
    if kernel == debian.DEBIAN:
        return debian.bring(cache)
    path = Path(kernel)
    if path.is_dir():
        return directory.bring(path, cache)
    if path.is_file():
        return archive.bring(path, cache)
    if named := _commit(kernel):
        return commit.bring(*named, cache)
    raise UserError(
        f"unknown kernel {kernel!r}: no such release or path; "
        f"use {', '.join(release.ARCHIVE_SHA256)}, {debian.DEBIAN}, "
        "the path of a source tree or archive, or DIR@COMMIT"
    )


def name_of(origin: str) -> str | None:
    """Return what `fetch` knows a source's origin by; None for one that only its user has."""
    name = origin.partition(" ")[0]
    return None if name == LOCAL else name


def _commit(kernel: str) -> tuple[Path, str] | None:
    """Take DIR@COMMIT apart: either may have an @ of its own, and the longest DIR counts."""
    ends = (index for index in reversed(range(1, len(kernel))) if kernel[index] == "@")
    return next(
        ((Path(kernel[:end]), kernel[end + 1 :]) for end in ends if Path(kernel[:end]).is_dir()),
        None,
    )


def _default(cache: Cache) -> KernelSource:
    try:
        return release.bring(DEFAULT_RELEASE, cache)
    except UnreachableError as error:
        cached = _newest_cached(DEFAULT_RELEASE, cache)
        instead = f"the cached {cached.release} ({cached.origin})" if cached else debian.DEBIAN
        logger.warning(
            "KERNEL.ORG CANNOT BE REACHED: using %s instead of %s [%s]",
            instead,
            DEFAULT_RELEASE,
            str(error).partition(";")[0],
        )
        return cached or debian.bring(cache)


def _newest_cached(wanted: str, cache: Cache) -> KernelSource | None:
    entries = sorted(
        (cache.root / "sources").glob("*/manifest.json"), key=lambda path: -path.stat().st_mtime
    )
    for manifest in entries:
        source = cache.load("sources", manifest.parent.name, KernelSource)
        if source and source.release == wanted:
            return source
    return None
