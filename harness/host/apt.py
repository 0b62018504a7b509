# SPDX-License-Identifier: GPL-2.0-only
"""Debian packages brought by apt's own verified download, without root.

apt gets a state directory of its own below the cache and an empty list of installed
packages, so that it resolves a package's whole dependency closure and never touches
the machine's package database. Another suite of the machine's own distribution is asked of
the mirror that the machine's package sources name.
"""

import logging
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.digest import sha256_text
from harness.errors import HostError, UserError
from harness.host.cache import Cache
from harness.host.command import CommandFailedError, require, run
from harness.host.deadline import Deadline
from harness.host.files import atomic_write, remove_tree, sha256_file

logger = logging.getLogger("fetch")

# The keyrings of distributions that have suites of their own, by what their lists call them.
_KEYRINGS = {
    origin: Path(f"/usr/share/keyrings/{origin.lower()}-archive-keyring.gpg")
    for origin in ("Debian", "Ubuntu")
}
_TARGET = "$(CREATED_BY) $(ORIGIN) $(LABEL) $(REPO_URI) $(COMPONENT)"
_SOURCES = "sources.list"
_NO_SUITE = "does not have a Release file"
_SECURITY = "-security"
SUITE = re.compile(r"[a-z][a-z0-9-]{1,39}")
# A line of --print-uris: address, file name, size, digest.
_FILE = re.compile(r"^'[^']+' (\S+) \d+(?: SHA256:([0-9a-f]{64}))?.*$", re.MULTILINE)
LISTS_FRESH_S = 24 * 3600.0
UPDATE_LIMIT_S = 300.0
DOWNLOAD_LIMIT_S = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One downloaded package."""

    name: str
    version: str
    path: Path
    sha256: str = ""  # as its signed list has it; empty: that has none


class Apt:
    """apt-get with its state below the cache."""

    def __init__(self, cache: Cache, *, suite: str = "") -> None:
        """Take packages of `suite`, or of what the machine's sources name.

        Nothing is written until something is downloaded.
        """
        require("apt-get")
        require("dpkg-deb")
        self._cache = cache
        self._suite = suite
        self._root = cache.root / (f"apt-{suite}" if suite else "apt")
        self._archives = cache.root / "downloads" / "deb"
        self._stamp = self._root / "updated"

    def download(self, names: Sequence[str], *, with_dependencies: bool) -> tuple[Package, ...]:
        """Bring the current versions of `names` (and all they depend on); sorted by name.

        Raises HostError when apt cannot find or fetch them.
        """
        with self._cache.locked(self._root.name):
            self._update()
            files = self._resolved(names, with_dependencies=with_dependencies)
            # Where no package has the name, apt takes it for a pattern: linux-source-6.1 is in
            # linux-source-6.12 too.
            absent = sorted({*names} - {file.partition("_")[0] for file in files})
            if absent:
                raise HostError(f"apt knows no package {', '.join(absent)}; {self._advice}")
            missing = [name for name in files if not (self._archives / name).exists()]
            if missing:
                logger.info("downloading %d packages", len(missing))
                verb = (
                    ["install", "--download-only", "--yes"] if with_dependencies else ["download"]
                )
                self._apt([*verb, *names], DOWNLOAD_LIMIT_S)
            return tuple(_package(self._archives / name, files[name]) for name in sorted(files))

    def names(self, beginning: str) -> tuple[str, ...]:
        """Return the packages there are whose names begin so; none also where no list is had."""
        with self._cache.locked(self._root.name):
            self._update()
            said = self._apt(["pkgnames", beginning], 60.0, program="apt-cache")
            return tuple(sorted(said.split()))

    def extract(self, packages: Sequence[Package], root: Path) -> None:
        """Unpack `packages` below `root`; HostError if one is not what its signed list names."""
        root.mkdir(parents=True, exist_ok=True)
        deadline = Deadline.after(DOWNLOAD_LIMIT_S, "unpacking packages")
        for package in packages:
            _require_unaltered(package)
            run(["dpkg-deb", "--extract", str(package.path), str(root)], deadline=deadline)

    @property
    def _advice(self) -> str:
        named = f"the name of the suite, {self._suite}," if self._suite else "the package sources"
        return f"check {named} and the network"

    def _options(self, archives: Path) -> list[str]:
        options = {
            "Dir::State": self._root / "state",
            "Dir::State::status": self._root / "status",
            "Dir::Cache": self._root / "cache",
            "Dir::Cache::archives": archives,
            "Debug::NoLocking": "1",
            "APT::Install-Recommends": "0",
            "APT::Sandbox::User": "",
        }
        if self._suite:
            options["Dir::Etc::sourcelist"] = self._root / _SOURCES
            options["Dir::Etc::sourceparts"] = "-"
        return [f"-o{key}={value}" for key, value in options.items()]

    def _update(self) -> None:
        stamp = self._stamp
        age_s = time.time() - stamp.stat().st_mtime if stamp.exists() else None
        if age_s is not None and 0 <= age_s < LISTS_FRESH_S:
            return
        for directory in ("state/lists/partial", "cache"):
            (self._root / directory).mkdir(parents=True, exist_ok=True)
        (self._archives / "partial").mkdir(parents=True, exist_ok=True)
        (self._root / "status").touch()
        if self._suite:
            atomic_write(self._root / _SOURCES, self._sources())
        try:
            said = self._apt(["update"], UPDATE_LIMIT_S)
        except HostError as error:
            if age_s is None:
                raise self._refused(error) from error
            logger.warning("package lists are %.0f hours old: %s", age_s / 3600, error)
            return
        # Somebody's third package source may be out of reach and not concern us: what is
        # missing shows when packages are asked for. Such lists are asked for again next time.
        failed = [line for line in said.splitlines() if line.startswith(("Err:", "W: Failed"))]
        if failed and self._suite and age_s is None:
            raise self._refused(HostError(f"apt-get cannot update: {failed[-1]}; {self._advice}"))
        if not failed:
            stamp.touch()

    def _refused(self, error: HostError) -> HostError | UserError:
        """Return the error of a suite that was never had, and leave nothing of it."""
        if not self._suite:
            return error
        _, _, address, suite, *_ = (self._root / _SOURCES).read_text().split()
        remove_tree(self._root)
        if _NO_SUITE in str(error):
            return UserError(f"{address} has no suite {suite}; name one that is listed there")
        return error

    def _sources(self) -> str:
        """Name the suite on the machine's own mirror, signed by its distribution's keyring."""
        own = Apt(self._cache)
        with self._cache.locked(own._root.name):
            own._update()
            said = own._apt(["indextargets", "--format", _TARGET], 60.0)
        source = suite_source(said, self._suite)
        if source is None:
            raise HostError(
                f"this machine's package sources name no mirror of {' or '.join(_KEYRINGS)}; "
                f"nothing can be had of its suite {self._suite}"
            )
        return source

    def _resolved(self, names: Sequence[str], *, with_dependencies: bool) -> dict[str, str]:
        """Return the file names apt would bring, and their sha256; asked once per list."""
        verb = "install" if with_dependencies else "download"
        memory = self._root / "resolved" / f"{sha256_text(verb, *names)[:16]}-sums.json"
        if self._stamp.exists() and _newer(memory, self._stamp):
            return msgspec.json.decode(memory.read_bytes(), type=dict[str, str])
        # apt names only what is not among its archives yet: show it none.
        nothing = self._root / "nothing"
        (nothing / "partial").mkdir(parents=True, exist_ok=True)
        output = self._apt(
            [verb, "--print-uris", "--yes", *names], UPDATE_LIMIT_S, archives=nothing
        )
        files = dict(_FILE.findall(output))
        atomic_write(memory, msgspec.json.encode(files))
        return files

    def _apt(
        self,
        arguments: Sequence[str],
        limit_s: float,
        *,
        archives: Path | None = None,
        program: str = "apt-get",
    ) -> str:
        archives = archives or self._archives
        argv = [program, "-q", *self._options(archives), *arguments]
        deadline = Deadline.after(limit_s, program)
        try:
            return run(argv, deadline=deadline, cwd=archives).output
        except CommandFailedError as error:
            raise HostError(
                f"{program} cannot {' '.join(arguments)}: {_reason(error.tail)}; {self._advice}"
            ) from error


def suite_source(targets: str, suite: str) -> str | None:
    """Return the line that names `suite` on the mirror of `targets`, in apt's own format.

    Of a distribution's several mirrors that of its main label counts; for a suite of security
    updates Debian has one of its own.
    """
    places: dict[tuple[str, str], list[str]] = {}
    security: dict[tuple[str, str], list[str]] = {}
    for line in targets.splitlines():
        words = line.split(" ")
        if len(words) == len(_TARGET.split(" ")) and words[0] == "Packages":
            _, origin, label, uri, component = words
            if origin in _KEYRINGS and label == origin:
                places.setdefault((origin, uri), []).append(component)
            elif origin in _KEYRINGS and label == f"{origin}-Security":
                security.setdefault((origin, uri), []).append(component)
    if security and suite.endswith(_SECURITY):
        places = security
    if not places:
        return None
    (origin, uri), components = next(iter(places.items()))
    keyring = _KEYRINGS[origin]
    parts = " ".join(dict.fromkeys(components))
    return f"deb [signed-by={keyring}] {uri} {suite} {parts}\n"


def _newer(one: Path, other: Path) -> bool:
    return one.exists() and one.stat().st_mtime >= other.stat().st_mtime


def _reason(tail: str) -> str:
    errors = [line for line in tail.splitlines() if line.startswith("E:")]
    return "; ".join(errors) or tail


def _package(path: Path, sha256: str) -> Package:
    name, version, _ = path.name.split("_", 2)
    return Package(name=name, version=version.replace("%3a", ":"), path=path, sha256=sha256)


def _require_unaltered(package: Package) -> None:
    if package.sha256 and (found := sha256_file(package.path)) != package.sha256:
        raise HostError(
            f"{package.path} is not what its signed package list names: sha256 {found[:16]}, "
            f"should be {package.sha256[:16]}; remove it and give the same command again"
        )
