# SPDX-License-Identifier: GPL-2.0-only
"""A source from a commit of a git repository, whatever its work tree has."""

import logging
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.digest import sha256_text
from harness.encoding import UNREADABLE, encode
from harness.host import pristine
from harness.host.cache import Cache
from harness.host.files import atomic_write
from harness.host.git_commits import Objects, commit_of, folder_of, opened
from harness.host.git_tree import Written, read, tree_of, write_out
from harness.host.pristine import SOURCES
from harness.host.source_tree import digest_of
from harness.stages.sources.archive import cached
from harness.stages.sources.description import MAKEFILE, describe
from harness.texts.build.line import PAGE_ALLOC
from harness.values import LOCAL, KernelSource

logger = logging.getLogger("fetch")

_ORIGIN = f"{LOCAL} commit "


@dataclass(frozen=True, slots=True, kw_only=True)
class _Last:
    """What was brought of a repository last."""

    tree: str
    digest: str


def bring(repo: Path, ref: str, cache: Cache) -> KernelSource:
    """Bring what the directory `repo` of a git repository has at `ref`; same files, same source.

    Raises UserError for a name that is no commit, a commit that is no kernel, and a clone that
    lacks some of it.
    """
    commit = commit_of(repo, ref)
    origin = f"{_ORIGIN}{commit}"
    with opened(repo) as objects:
        tree = tree_of(objects, commit, folder_of(repo))
        fingerprint = sha256_text("git tree", tree)
        with cache.locked(f"tree-{tree[:16]}"):
            digest = cache.recall(fingerprint)
            if digest and (known := cached(digest, cache, origin=origin)):
                return known
            _require_kernel(objects, tree, cache, name=f"{repo}@{ref}")
            logger.info("reading commit %s of %s", commit[:12], objects.repo)
            source = _written(objects, tree, cache, origin=origin)
            cache.remember(fingerprint, source.digest)
    return source


def commit_told(origin: str) -> str | None:
    """Return the commit that a source's origin names, if it came from one."""
    return origin.removeprefix(_ORIGIN) if origin.startswith(_ORIGIN) else None


def _require_kernel(objects: Objects, tree: str, cache: Cache, *, name: str) -> None:
    """Refuse what is no kernel before all of it is written."""
    with cache.building("commit") as scratch:
        for file in (MAKEFILE, PAGE_ALLOC):
            content = read(objects, tree, file)
            if content is not None:
                (scratch / file).parent.mkdir(exist_ok=True)
                (scratch / file).write_bytes(content)
        describe(scratch, origin=LOCAL, digest="", final=scratch, name=name)


def _written(objects: Objects, tree: str, cache: Cache, *, origin: str) -> KernelSource:
    memory = cache.root / "imports" / f"commit-{sha256_text(str(objects.place))[:16]}.json"
    with cache.building("commit") as scratch:
        entry = scratch / "entry"
        entry.mkdir()
        before = _before(memory, cache)
        contents = write_out(objects, tree, entry / "tree", scratch, before=before)
        digest = digest_of(contents)
        # A directory with these files may have been imported.
        source = cached(digest, cache, origin=origin)
        if source is None:
            final = cache.entry(SOURCES, digest) / "tree"
            source = describe(entry / "tree", origin=origin, digest=digest, final=final)
            pristine.note(entry, contents)
            cache.publish(entry, SOURCES, digest, source)
            pristine.remember(source, cache)
    atomic_write(memory, encode(_Last(tree=tree, digest=digest)))
    return source


def _before(memory: Path, cache: Cache) -> Written | None:
    """Return what was brought of the same repository last, unless it is gone."""
    try:
        last = msgspec.json.decode(memory.read_bytes(), type=_Last)
    except (OSError, *UNREADABLE):
        return None
    source = cache.load(SOURCES, last.digest, KernelSource)
    if source is None:
        return None
    pristine.require_source(source, cache)  # its files become this source's
    return Written(tree=last.tree, place=source.tree, contents=pristine.noted(source))
