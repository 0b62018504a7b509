# SPDX-License-Identifier: GPL-2.0-only
"""A source from one of Debian's packages linux-source-LINE, verified by apt.

debian:6.12 is what this machine's own package sources have. debian:7.3@trixie-backports is of
another suite of the machine's mirror, verified with the archive's keyring; the user's package
sources stay as they are.
"""

import re
import shutil

from harness.errors import HostError, UserError
from harness.host.apt import SUITE, Apt, Package
from harness.host.cache import Cache
from harness.host.series import lines
from harness.stages.sources import archive
from harness.values import KernelSource

PREFIX = "debian:"
# Of Debian 12, whose source every newer Debian can have from its mirror.
DEBIAN_12 = f"{PREFIX}6.1"
_DEBIAN_12_SUITE = "bookworm"
_PACKAGE = "linux-source-"
_LINE = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}")
_ELSE = "or name a release, or a source tree or archive, with --kernel"


def bring(name: str, cache: Cache) -> KernelSource:
    """Bring the source of a package by its name here, debian:LINE or debian:LINE@SUITE.

    Raises UserError where there is none, with those that there are; HostError without apt.
    """
    line, suite = _parsed(name)
    if shutil.which("apt-get") is None:
        raise HostError(
            f"{name} is a package of Debian, and this machine has no apt; name a release, or a "
            "source tree or archive, with --kernel"
        )
    apt = Apt(cache, suite=suite)
    package = _package(name, f"{_PACKAGE}{line}", apt, suite, cache)
    digest = package.sha256 or archive.file_digest(package.path, cache)
    origin = f"{name} {package.version}"
    if known := archive.cached(digest, cache, origin=origin):
        return known
    with cache.building("debian-source") as scratch:
        apt.extract([package], scratch)
        (file,) = (scratch / "usr" / "src").glob(f"{_PACKAGE}{line}.tar.*")
        return archive.bring(file, cache, origin=origin, digest=digest)


def own(cache: Cache) -> str:
    """Return the name here of this machine's own source that the series is made for.

    Of several the oldest: Debian 12 has newer ones among its security updates.
    """
    made = {version for line in lines() if line.series for version in line.versions}
    try:
        there = lines_of(Apt(cache))
    except HostError:
        there = []
    return next((f"{PREFIX}{line}" for line in there if line in made), DEBIAN_12)


def _parsed(name: str) -> tuple[str, str]:
    line, at, suite = name.removeprefix(PREFIX).partition("@")
    if not _LINE.fullmatch(line) or (at and not SUITE.fullmatch(suite)):
        raise UserError(
            f"{name!r} names no source of Debian; it is {PREFIX}LINE or {PREFIX}LINE@SUITE, "
            f"as {DEBIAN_12} and {PREFIX}7.3@trixie-backports"
        )
    return line, suite


def _package(name: str, package: str, apt: Apt, suite: str, cache: Cache) -> Package:
    try:
        (found,) = apt.download([package], with_dependencies=False)
    except HostError as error:
        there = lines_of(apt)
        if package.removeprefix(_PACKAGE) in there:  # it is there, and cannot be had
            raise
        if name == DEBIAN_12 and (other := _of_debian_12(package, cache)):
            return other
        raise _none(name, package, apt, suite, there) from error
    return found


def _of_debian_12(package: str, cache: Cache) -> Package | None:
    apt = Apt(cache, suite=_DEBIAN_12_SUITE)
    try:
        (found,) = apt.download([package], with_dependencies=False)
    except (HostError, UserError):
        return None
    return found


def _none(name: str, package: str, apt: Apt, suite: str, there: list[str]) -> UserError:
    where = f"the suite {suite}" if suite else "what this machine's apt knows"
    if there:
        names = ", ".join(f"{PREFIX}{line}@{suite}" if suite else PREFIX + line for line in there)
        return UserError(f"{name}: no {package} is in {where}; there are {names}; {_ELSE}")
    others = ", ".join(apt.names(_PACKAGE))
    fact = f"it has {others}, which are not Debian's" if others else f"no {_PACKAGE}LINE is there"
    return UserError(
        f"{name}: no {package} is in {where}: {fact}; check the package sources and the network, "
        f"{_ELSE}"
    )


def lines_of(apt: Apt) -> list[str]:
    """Return the lines of which apt has a source, oldest first."""
    found = (name.removeprefix(_PACKAGE) for name in apt.names(_PACKAGE))
    return sorted(
        (line for line in found if _LINE.fullmatch(line)),
        key=lambda line: [int(part) for part in line.split(".")],
    )
