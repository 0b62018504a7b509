# SPDX-License-Identifier: GPL-2.0-only
"""fetch: from the name of a kernel to a pristine source tree in the cache."""

import logging
import os
from dataclasses import replace
from pathlib import Path

from harness.digest import git_blob_id, sha256_text
from harness.errors import HostError, StageError, UserError
from harness.host import pristine, source_tree
from harness.host.apt import Apt, Package
from harness.host.cache import Cache
from harness.host.deadline import Deadline
from harness.host.download import UnreachableError, download, require_address
from harness.host.files import sha256_file
from harness.host.series import line_for
from harness.host.unpack import unpack
from harness.texts.build.tree import parse_makefile
from harness.values import LOCAL, KernelSource

logger = logging.getLogger("fetch")

DEFAULT_RELEASE = "5.15.180"
DEBIAN = "debian:6.1"
DEBIAN_SUITE = "bookworm"
DEBIAN_PACKAGE = "linux-source-6.1"
ARCHIVE_SHA256 = {
    "5.15.180": "a4713a2bcb229722756ea54a80866b98bf4416bc3db6b72a5afb15a0c1105f0c",
}
MIRROR = "BUDDYLAB_KERNEL_MIRROR"
KERNEL_ORG = "https://cdn.kernel.org/pub/linux/kernel"
DOWNLOAD_LIMIT_S = 3600.0


def fetch(kernel: str | None, cache: Cache) -> KernelSource:
    """Bring the source that `kernel` names: a release, debian:6.1, or a path.

    Without a name: 5.15.180, and where kernel.org is out of reach a 5.15.180 source from
    the cache, else debian:6.1. Raises UserError, HostError or StageError.
    """
    if kernel is None:
        return _default(cache)
    if kernel in ARCHIVE_SHA256:
        return _release(kernel, cache)
    if kernel == DEBIAN:
        return _debian(cache)
    path = Path(kernel)
    if path.is_dir():
        return _directory(path.resolve(), cache)
    if path.is_file():
        return _archive(path, origin=LOCAL, cache=cache)
    raise UserError(
        f"unknown kernel {kernel!r}: no such release or path; "
        f"use {', '.join(ARCHIVE_SHA256)}, {DEBIAN}, or the path of a source tree or archive"
    )


def name_of(origin: str) -> str | None:
    """Return what `fetch` knows a source's origin by; None for one that only its user has."""
    return None if origin == LOCAL else origin.partition(" ")[0]


def _default(cache: Cache) -> KernelSource:
    try:
        return _release(DEFAULT_RELEASE, cache)
    except UnreachableError as error:
        cached = _newest_cached(DEFAULT_RELEASE, cache)
        instead = f"the cached {cached.release} ({cached.origin})" if cached else DEBIAN
        logger.warning(
            "KERNEL.ORG CANNOT BE REACHED: using %s instead of %s [%s]",
            instead,
            DEFAULT_RELEASE,
            str(error).partition(";")[0],
        )
        return cached or _debian(cache)


def _newest_cached(release: str, cache: Cache) -> KernelSource | None:
    entries = sorted(
        (cache.root / "sources").glob("*/manifest.json"), key=lambda path: -path.stat().st_mtime
    )
    for manifest in entries:
        source = cache.load("sources", manifest.parent.name, KernelSource)
        if source and source.release == release:
            return source
    return None


def _release(release: str, cache: Cache) -> KernelSource:
    cached = cache.load("sources", ARCHIVE_SHA256[release], KernelSource)
    if cached:
        return cached
    base = os.environ.get(MIRROR) or KERNEL_ORG
    require_address(base, f"${MIRROR}")
    name = f"linux-{release}.tar.gz"
    url = f"{base}/v{release.partition('.')[0]}.x/{name}"
    with cache.locked(f"download-{release}"):
        archive = download(
            url,
            cache.root / "downloads" / name,
            sha256=ARCHIVE_SHA256[release],
            deadline=Deadline.after(DOWNLOAD_LIMIT_S, f"downloading {name}"),
        )
    return _archive(archive, origin=release, cache=cache, digest=ARCHIVE_SHA256[release])


def _debian(cache: Cache) -> KernelSource:
    package = _debian_package(cache)
    digest = package.sha256 or _file_digest(package.path, cache)
    cached = cache.load("sources", digest, KernelSource)
    if cached:
        return cached
    with cache.building("debian-source") as scratch:
        Apt(cache).extract([package], scratch)
        (archive,) = (scratch / "usr" / "src").glob("linux-source-*.tar.*")
        return _archive(archive, origin=f"{DEBIAN} {package.version}", cache=cache, digest=digest)


def _debian_package(cache: Cache) -> Package:
    """Bring the package that Debian 12 has, on a newer Debian from its mirror."""
    apt, elsewhere = Apt(cache), Apt(cache, suite=DEBIAN_SUITE)
    try:
        (package,) = apt.download([DEBIAN_PACKAGE], with_dependencies=False)
    except HostError as error:
        try:
            (package,) = elsewhere.download([DEBIAN_PACKAGE], with_dependencies=False)
        except HostError:
            raise HostError(
                f"{DEBIAN} needs Debian 12's package {DEBIAN_PACKAGE}: {error}; "
                "elsewhere name a source tree or archive with --kernel PATH"
            ) from error
    return package


def _archive(
    archive: Path, *, origin: str, cache: Cache, digest: str | None = None
) -> KernelSource:
    digest = digest or _file_digest(archive, cache)
    with cache.locked(f"source-{digest[:16]}"):
        cached = cache.load("sources", digest, KernelSource)
        if cached:
            return replace(cached, origin=origin)
        logger.info("unpacking %s", archive.name)
        with cache.building("source") as scratch:
            top = unpack(archive, scratch)
            final = cache.entry("sources", digest) / "tree"
            source = _describe(top, origin=origin, digest=digest, final=final)
            entry = scratch / "entry"
            entry.mkdir()
            top.rename(entry / "tree")
            pristine.note(entry, pristine.contents_of(entry / "tree"))
            cache.publish(entry, "sources", digest, source)
            pristine.remember(source, cache)
    return source


def _directory(path: Path, cache: Cache) -> KernelSource:
    _describe(path, origin=LOCAL, digest="", final=path)  # refuse early what is no kernel
    with cache.locked(f"import-{sha256_text(str(path))[:16]}"):
        return source_tree.import_directory(path, cache, _describe)


def _describe(tree: Path, *, origin: str, digest: str, final: Path) -> KernelSource:
    try:
        version = parse_makefile((tree / "Makefile").read_text(errors="replace"))
        page_alloc = (tree / "mm" / "page_alloc.c").read_bytes()
    except (OSError, UserError) as error:
        raise UserError(
            f"{tree.name} is not a kernel source ({error}); "
            "give the directory or archive that holds Makefile and mm/page_alloc.c"
        ) from error
    line = line_for(version.version)
    blob = git_blob_id(page_alloc)
    return KernelSource(
        release=version.release,
        line=line.name,
        origin=origin,
        digest=digest,
        page_alloc_blob=blob,
        page_alloc_upstream=line.page_alloc_is_upstream(version.release, blob),
        tree=final,
    )


def _file_digest(path: Path, cache: Cache) -> str:
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


__all__ = ["DEBIAN", "DEFAULT_RELEASE", "StageError", "fetch"]
