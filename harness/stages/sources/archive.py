# SPDX-License-Identifier: GPL-2.0-only
"""A source from an archive, unpacked into the cache."""

import logging
from pathlib import Path

from harness.digest import sha256_text
from harness.host import pristine
from harness.host.cache import Cache
from harness.host.files import sha256_file
from harness.host.pristine import SOURCES
from harness.host.unpack import unpack
from harness.stages.sources.description import describe, described_again
from harness.values import LOCAL, KernelSource

logger = logging.getLogger("fetch")


def bring(
    archive: Path, cache: Cache, *, origin: str = LOCAL, digest: str | None = None
) -> KernelSource:
    """Unpack an archive, unless a source of its `digest` (its sha256) is there.

    Raises UserError for one that is damaged, unsafe or not a kernel.
    """
    digest = digest or file_digest(archive, cache)
    with cache.locked(f"source-{digest[:16]}"):
        if known := cached(digest, cache, origin=origin):
            return known
        logger.info("unpacking %s", archive.name)
        with cache.building("source") as scratch:
            top = unpack(archive, scratch)
            final = cache.entry(SOURCES, digest) / "tree"
            source = describe(top, origin=origin, digest=digest, final=final, name=str(archive))
            entry = scratch / "entry"
            entry.mkdir()
            top.rename(entry / "tree")
            pristine.note(entry, pristine.contents_of(entry / "tree"))
            cache.publish(entry, SOURCES, digest, source)
            pristine.remember(source, cache)
    return source


def cached(digest: str, cache: Cache, *, origin: str) -> KernelSource | None:
    """Return the source of this digest if it is there; it may have come from elsewhere."""
    source = cache.load(SOURCES, digest, KernelSource)
    return described_again(source, origin=origin) if source else None


def file_digest(path: Path, cache: Cache) -> str:
    """Digest a large file once: remembered by size, time and inode."""
    stat = path.stat()
    fingerprint = sha256_text(
        str(path.resolve()), *(str(n) for n in (stat.st_size, stat.st_mtime_ns, stat.st_ino))
    )
    digest = cache.recall(fingerprint)
    if digest is None:
        digest = sha256_file(path)
        cache.remember(fingerprint, digest)
    return digest
