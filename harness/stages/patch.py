# SPDX-License-Identifier: GPL-2.0-only
"""patch: from a pristine source and a series to a patched tree of its own."""

import logging
from collections import ChainMap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.digest import sha256_text
from harness.encoding import encode
from harness.host import pristine, source_tree
from harness.host.cache import Cache
from harness.host.few_files import put_back
from harness.host.series import Series, line_named, no_series, series_for
from harness.stages.apply import Step, applied, few_in, steps_of
from harness.texts.build.edit import Edit
from harness.texts.build.provides import provided
from harness.values import KernelSource, PatchedTree

logger = logging.getLogger("patch")

# Raised when this file makes another tree of the same inputs.
RECIPE_VERSION = "1"


def patch(
    source: KernelSource,
    cache: Cache,
    *,
    upto: str | None = None,
    series: Series | None = None,
    changes: Sequence[Series] = (),
    edit: Edit | None = None,
) -> PatchedTree:
    """Apply the series (up to `upto`; "0" for none of it), others and `edit` to a clone.

    Raises UserError for a kernel that the series is not made for and for a patch that git cannot
    read, StageError naming the patch and hunk that has no place.
    """
    series = series or (no_series(source) if upto == "0" else series_for(source))
    steps = (*steps_of(series, upto), *(step for each in changes for step in steps_of(each, None)))
    edit = edit and edit.renamed(series.renames)
    names = tuple(step.name for step in steps) + ((edit.name,) if edit else ())
    by_patch = ChainMap(*({**each.provides} for each in (series, *changes)))
    rules = line_named(source.line).rules
    provides = (*provided(by_patch, names), *(rule.word for rule in rules))
    asked = sha256_text(
        *("patch", RECIPE_VERSION, source.digest, series.name),
        *(part for step in steps for part in step.digests),
        encode((edit, provides)).decode(),
    )
    # The key is not made of the mails: a message that is written anew builds no other kernel.
    if (key := cache.recall(asked)) and (known := cache.load("trees", key, PatchedTree)):
        return known
    pristine.require_source(source, cache)
    with cache.building(f"patch-{asked[:8]}") as scratch:
        made = _made(source, steps, edit, scratch)
        key = sha256_text("tree", source.digest, series.name, made.digest, *names, *provides)
        tree = PatchedTree(
            source=source,
            series_name=series.name,
            series_digest=made.digest,
            patches=names,
            provides=provides,
            touched=made.touched,
            key=key,
            tree=cache.entry("trees", key) / "tree",
        )
        tree = _published(tree, made, scratch / "entry", cache)
    cache.remember(asked, key)
    return tree


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """What patches made of the files they touch, which lie in `few`."""

    few: Path
    touched: tuple[str, ...]
    digest: str


def _published(tree: PatchedTree, made: _Made, entry: Path, cache: Cache) -> PatchedTree:
    with cache.locked(f"tree-{tree.key[:16]}"):
        # Another run may have made it; its files are in use now.
        if known := cache.load("trees", tree.key, PatchedTree):
            return known
        logger.info(
            "applied %d patches of %s to %s",
            len(tree.patches),
            tree.series_name,
            tree.source.release,
        )
        source_tree.clone(tree.source.tree, entry / "tree", own={})
        put_back(made.few, made.touched, entry / "tree")
        pristine.note(entry, pristine.contents_of(entry / "tree", made.touched))
        cache.publish(entry, "trees", tree.key, tree)
    return tree


def _made(source: KernelSource, steps: Sequence[Step], edit: Edit | None, scratch: Path) -> _Made:
    touched: set[str] = set()
    parts: list[str] = []
    for each in applied(source, steps, edit, scratch):
        touched |= each.after.keys()
        for note in each.notes:
            logger.info("%s", note)
        for file, state in each.after.items():
            parts += [file, state.kind, state.digest]
    return _Made(few=few_in(scratch), touched=tuple(sorted(touched)), digest=sha256_text(*parts))
