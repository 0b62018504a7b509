# SPDX-License-Identifier: GPL-2.0-only
"""Copies of kernel source trees: imports of a user's directory, trees to be patched.

A copy shares unchanged files with an earlier one through hard links; files below the
cache are never written in place, so a link never carries a change into another tree.
"""

import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import msgspec

from harness.arch.x86_64 import X86_64
from harness.digest import sha256_bytes, sha256_text
from harness.encoding import UNREADABLE, encode
from harness.host.cache import Cache
from harness.host.command import run
from harness.host.deadline import Deadline
from harness.host.files import atomic_write
from harness.host.pristine import (
    SOURCES,
    content_of,
    contents_of,
    note,
    noted,
    remember,
    require_source,
)
from harness.host.progress import progress
from harness.values import LOCAL, KernelSource

logger = logging.getLogger("fetch")

COPY_LIMIT_S = 600.0

# What a build or a developer leaves in a source tree and a pristine one does not have: anywhere,
# and where the build makes it alone. tools/perf/util/bpf_skel/vmlinux is a source's (6.5 on).
_LEFT_OUT_NAMES = frozenset({".git", "modules.order"})
_LEFT_OUT_SUFFIXES = (".o", ".ko", ".a", ".cmd", ".mod", ".mod.c", ".orig", ".rej", "~")
_LEFT_OUT_PATHS = frozenset(
    {
        ".config",
        ".config.old",
        ".tmp_versions",
        ".version",
        "Module.symvers",
        "System.map",
        "modules.builtin",
        "modules.builtin.modinfo",
        "vmlinux",
        "vmlinux.unstripped",
        f"arch/{X86_64.kbuild}/boot/bzImage",
        f"arch/{X86_64.kbuild}/boot/compressed/vmlinux",
        f"arch/{X86_64.kbuild}/include/generated",
        "include/config",
        "include/generated",
    }
)


class Describe(Protocol):
    """Makes the manifest of an imported tree."""

    def __call__(self, tree: Path, *, origin: str, digest: str, final: Path) -> KernelSource:
        """Read the tree's own statements."""
        ...


@dataclass(frozen=True, slots=True)
class _Entry:
    """One file or link of a directory, by what `stat` says."""

    path: str
    stamp: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Import:
    """What is remembered of the last import of a directory."""

    fingerprint: str
    digest: str
    stamps: dict[str, str]
    contents: dict[str, str]  # what _copy said of each file


def import_directory(path: Path, cache: Cache, describe: Describe) -> KernelSource:
    """Copy a user's source directory into the cache, unless it is there unchanged.

    Only files whose size, times or inode changed since the last import are read again.
    """
    entries = sorted(_walk(path), key=lambda entry: entry.path)
    fingerprint = sha256_text(*(f"{entry.path}\t{entry.stamp}" for entry in entries))
    name = sha256_text(str(path))[:16]
    last = cache.root / "imports" / f"{name}.json"
    brief = cache.root / "imports" / f"{name}-{fingerprint[:16]}"
    if brief.exists() and (known := cache.load(SOURCES, brief.read_text(), KernelSource)):
        return known
    digest, contents = _import(path, entries, _remembered(last), cache, describe)
    stamps = {entry.path: entry.stamp for entry in entries}
    record = _Import(fingerprint=fingerprint, digest=digest, stamps=stamps, contents=contents)
    atomic_write(last, encode(record))
    atomic_write(brief, digest)
    source = cache.load(SOURCES, digest, KernelSource)
    assert source is not None  # noqa: S101 - just published
    return source


def _import(
    path: Path, entries: list[_Entry], last: _Import | None, cache: Cache, describe: Describe
) -> tuple[str, dict[str, str]]:
    """Copy what changed, link the rest, publish; return the digest and what it is made of."""
    before = cache.load(SOURCES, last.digest, KernelSource) if last else None
    if before is not None:
        require_source(before, cache)  # its files become this source's
    previous = before.tree if before else None
    contents: dict[str, str] = {}
    with (
        cache.building("import") as scratch,
        progress("fetch", total=len(entries), unit="files") as advance,
    ):
        for count, entry in enumerate(entries, start=1):
            is_same = last is not None and last.stamps.get(entry.path) == entry.stamp
            known = last.contents.get(entry.path) if last and is_same else None
            copied = _copy(path, entry.path, scratch / "tree", previous if is_same else None, known)
            contents[entry.path] = copied
            advance(count, entry.path)
        digest = digest_of(contents)
        final = cache.entry(SOURCES, digest) / "tree"
        source = describe(scratch / "tree", origin=LOCAL, digest=digest, final=final)
        if cache.load(SOURCES, digest, KernelSource) is None:
            note(scratch, contents)
            cache.publish(scratch, SOURCES, digest, source)
            remember(source, cache)
    return digest, contents


def digest_of(contents: Mapping[str, str]) -> str:
    """Digest what all files of a tree are (harness.host.pristine)."""
    return sha256_text(*(part for item in sorted(contents.items()) for part in item))


def _copy(root: Path, name: str, target_root: Path, same: Path | None, known: str | None) -> str:
    """Copy one file, linking to `same` tree's where it did not change; return its digest.

    `known` is the digest that a file which did not change had before: it is not read again.
    """
    source, target = root / name, target_root / name
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_symlink():
        target.symlink_to(source.readlink())
        return content_of(target)
    if same is not None and (same / name).is_file():
        os.link(same / name, target)
        if known is not None:
            return known
    else:
        shutil.copy2(source, target)
    return content_of(target)


def _walk(root: Path) -> Iterator[_Entry]:
    """List files and links with what `stat` says; find does it in a quarter of our time."""
    left_out: list[str] = []
    for pattern in (*sorted(_LEFT_OUT_NAMES), *(f"*{suffix}" for suffix in _LEFT_OUT_SUFFIXES)):
        left_out += ["-name", pattern, "-o"]
    for path in sorted(_LEFT_OUT_PATHS):
        left_out += ["-path", f"./{path}", "-o"]
    argv = ["find", ".", "(", *left_out[:-1], ")", "-prune", "-o", "-not", "-type", "d"]
    deadline = Deadline.after(COPY_LIMIT_S, f"listing {root}")
    output = run([*argv, "-printf", r"%P\t%s %T@ %C@ %i\n"], cwd=root, deadline=deadline).output
    for line in output.splitlines():
        name, _, stamp = line.partition("\t")
        yield _Entry(name, stamp)


def _remembered(path: Path) -> _Import | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Import)
    except (OSError, *UNREADABLE):
        return None


def clone(tree: Path, target: Path, *, own: Mapping[str, bool]) -> None:
    """Clone `tree` by hard links; the files in `own` (name -> exists) become real copies."""
    target.mkdir(parents=True)
    argv = ["cp", "--archive", "--link", f"{tree}/.", str(target)]
    run(argv, deadline=Deadline.after(COPY_LIMIT_S, "cloning the source tree"))
    for name, exists in own.items():
        if exists:
            file = target / name
            content = file.read_bytes()
            mode = file.stat().st_mode
            file.unlink()
            file.write_bytes(content)
            file.chmod(mode)


def adopted(
    source: KernelSource, cache: Cache, *, own: Mapping[str, bytes] | None = None
) -> KernelSource:
    """Clone a source of another cache into `cache`, with other content in its files `own`."""
    own = own or {}
    digests = [part for name, content in own.items() for part in (name, sha256_bytes(content))]
    digest = sha256_text("adopted", source.digest, *digests) if own else source.digest
    with cache.building("adopt") as scratch:
        clone(source.tree, scratch / "tree", own=dict.fromkeys(own, True))
        for name, content in own.items():
            (scratch / "tree" / name).write_bytes(content)
        note(scratch, noted(source) | contents_of(scratch / "tree", own))
        final = replace(source, digest=digest, tree=cache.entry(SOURCES, digest) / "tree")
        cache.publish(scratch, SOURCES, digest, final)
    remember(final, cache)
    return final
