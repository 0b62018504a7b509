# SPDX-License-Identifier: GPL-2.0-only
"""fetch: from the name of a kernel to a pristine source tree in the cache."""

import logging
from pathlib import Path

from harness.errors import UserError
from harness.host.cache import Cache
from harness.host.download import UnreachableError
from harness.host.pristine import SOURCES
from harness.stages.sources import archive, commit, debian, directory, release
from harness.stages.sources.description import described_again
from harness.texts.text import shown
from harness.values import LOCAL, KernelSource

logger = logging.getLogger("fetch")

DEFAULT_RELEASE = "5.15.180"


def fetch(kernel: str | None, cache: Cache) -> KernelSource:
    """Bring the source that `kernel` names (harness.stages.sources).

    That is a release (6.12.5), debian:LINE or debian:LINE@SUITE, a directory or an archive, or
    DIR@COMMIT of a git repository. Without a name: 5.15.180, and where kernel.org is out of reach
    upstream's own 5.15.180 from the cache, else this machine's own of Debian. Raises UserError,
    HostError or StageError.
    """
    if kernel is None:
        return _default(cache)
    if release.NAME.fullmatch(kernel):
        return release.bring(kernel, cache)
    if kernel.startswith(debian.PREFIX):
        return debian.bring(kernel, cache)
    path = Path(kernel)
    if _is_directory(path):
        return directory.bring(path, cache)
    if path.is_file():
        return archive.bring(path, cache)
    if named := _commit(kernel):
        return commit.bring(*named, cache)
    hint = "; release candidates are in git alone: DIR@v6.13-rc1" if "-rc" in kernel else ""
    raise UserError(
        f"unknown kernel {shown(kernel)}: no such release or path; use a release such as "
        f"{DEFAULT_RELEASE} or 6.12, {debian.PREFIX}LINE, {debian.PREFIX}LINE@SUITE, the path of a "
        f"source tree or archive, or DIR@COMMIT of a git repository{hint}"
    )


def name_of(origin: str) -> str | None:
    """Return what `fetch` knows a source's origin by; None for one that only its user has."""
    name = origin.partition(" ")[0]
    return None if name == LOCAL else name


def _is_directory(path: Path) -> bool:
    """Whether a directory is there; UserError where that cannot be seen."""
    try:
        return path.is_dir()
    except OSError as error:
        raise UserError(
            f"{shown(str(path))} cannot be looked at: {error.strerror}; give another path"
        ) from error


def _commit(kernel: str) -> tuple[Path, str] | None:
    """Take DIR@COMMIT apart: either may have an @ of its own, and the longest DIR counts."""
    ends = (index for index in reversed(range(1, len(kernel))) if kernel[index] == "@")
    return next(
        (
            (Path(kernel[:end]), kernel[end + 1 :])
            for end in ends
            if _is_directory(Path(kernel[:end]))
        ),
        None,
    )


def _default(cache: Cache) -> KernelSource:
    try:
        return release.bring(DEFAULT_RELEASE, cache)
    except UnreachableError as error:
        cached = _best_cached(DEFAULT_RELEASE, cache)
        name = None if cached else debian.own(cache)
        logger.warning(
            "KERNEL.ORG CANNOT BE REACHED: using %s instead of %s [%s]",
            f"the cached {cached.release} ({cached.origin})" if cached else name,
            DEFAULT_RELEASE,
            str(error).partition(";")[0],
        )
        return cached or debian.bring(name or debian.DEBIAN_12, cache)


def _best_cached(wanted: str, cache: Cache) -> KernelSource | None:
    """Return the newest cached source of this release that has upstream's own allocator.

    Another is a tree of its user's, who may well have changed it and does not name it here.
    """
    manifests = sorted(
        (cache.root / SOURCES).glob("*/manifest.json"), key=lambda path: -path.stat().st_mtime
    )
    sources = (cache.load(SOURCES, path.parent.name, KernelSource) for path in manifests)
    found = (described_again(source, origin=source.origin) for source in sources if source)
    return next(
        (source for source in found if source.release == wanted and source.page_alloc_upstream),
        None,
    )
