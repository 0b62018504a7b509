# SPDX-License-Identifier: GPL-2.0-only
"""A source from a package of Debian."""

from harness.errors import HostError
from harness.host.apt import Apt, Package
from harness.host.cache import Cache
from harness.stages.sources import archive
from harness.values import KernelSource

DEBIAN = "debian:6.1"
_SUITE = "bookworm"
_PACKAGE = "linux-source-6.1"


def bring(cache: Cache) -> KernelSource:
    """Bring Debian's own source."""
    package = _package(cache)
    digest = package.sha256 or archive.file_digest(package.path, cache)
    origin = f"{DEBIAN} {package.version}"
    if known := archive.cached(digest, cache, origin=origin):
        return known
    with cache.building("debian-source") as scratch:
        Apt(cache).extract([package], scratch)
        (file,) = (scratch / "usr" / "src").glob("linux-source-*.tar.*")
        return archive.bring(file, cache, origin=origin, digest=digest)


def _package(cache: Cache) -> Package:
    """Bring the package that Debian 12 has, on a newer Debian from its mirror."""
    apt, elsewhere = Apt(cache), Apt(cache, suite=_SUITE)
    try:
        (package,) = apt.download([_PACKAGE], with_dependencies=False)
    except HostError as error:
        try:
            (package,) = elsewhere.download([_PACKAGE], with_dependencies=False)
        except HostError:
            raise HostError(
                f"{DEBIAN} needs Debian 12's package {_PACKAGE}: {error}; "
                "elsewhere name a source tree or archive with --kernel PATH"
            ) from error
    return package
