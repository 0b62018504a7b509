# SPDX-License-Identifier: GPL-2.0-only
"""patch: from a pristine source and a series to a patched tree of its own."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness.digest import sha256_text
from harness.encoding import encode
from harness.errors import StageError, UserError
from harness.host import git, pristine, source_tree
from harness.host.assets import asset
from harness.host.cache import Cache
from harness.host.few_files import FileState, copy_out, put_back, state_of
from harness.host.files import sha256_file
from harness.texts.build.edit import Edit, parse_edit
from harness.texts.build.series import parse_series, prefix
from harness.texts.build.tree import parse_makefile
from harness.values import KernelSource, PatchedTree

logger = logging.getLogger("patch")

# Raised when this file makes another tree of the same inputs.
RECIPE_VERSION = "1"


def series_directory(source: KernelSource) -> Path:
    """Return the directory of the series written for this source's line."""
    line = parse_makefile((source.tree / "Makefile").read_text(errors="replace")).line
    return asset("patches") / f"linux-{line}"


def design(name: str) -> Edit:
    """Return a change to the series that was tried and discarded; UserError if there is none."""
    place = asset("patches") / "designs"
    path = place / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in place.glob("*.toml"))) or "none"
        raise UserError(f"{place} has no design {name}; there are: {known}")
    return parse_edit(path.name, path.read_bytes())


def read_series(directory: Path) -> tuple[str, ...]:
    """Return the names of a series' patches in order.

    Raises UserError when a listed patch is absent or a present one is not listed.
    """
    try:
        names = parse_series((directory / "series").read_bytes())
    except FileNotFoundError:
        raise UserError(f"{directory} has no `series` file; list the patches in it") from None
    present = {path.name for path in directory.glob("*.patch")}
    if wrong := sorted(present.symmetric_difference(names)):
        raise UserError(f"{directory}/series and its patches disagree about {', '.join(wrong)}")
    return names


def patch(
    source: KernelSource,
    cache: Cache,
    *,
    upto: str | None = None,
    directory: Path | None = None,
    edit: Edit | None = None,
) -> PatchedTree:
    """Apply the series (up to `upto`; "0" for none of it) and `edit` to a clone of `source`.

    Raises UserError for a patch that git cannot read, StageError naming the patch and hunk
    that does not apply.
    """
    directory = directory or series_directory(source)
    chosen = prefix(read_series(directory), upto)
    files = {name: directory / name for name in chosen}
    names = (*files, edit.name) if edit else tuple(files)
    asked = sha256_text(
        "patch",
        RECIPE_VERSION,
        source.digest,
        *(part for name, path in files.items() for part in (name, sha256_file(path))),
        encode(edit).decode(),
    )
    # The key is not made of the mails: a message that is written anew builds no other kernel.
    if (key := cache.recall(asked)) and (known := cache.load("trees", key, PatchedTree)):
        return known
    pristine.require_source(source, cache)
    with cache.building(f"patch-{asked[:8]}") as scratch:
        made = _applied(source, files, edit, scratch)
        key = sha256_text("tree", source.digest, made.digest, *names)
        tree = PatchedTree(
            source=source,
            series_name=directory.name,
            series_digest=made.digest,
            patches=names,
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


def _applied(
    source: KernelSource, files: Mapping[str, Path], edit: Edit | None, scratch: Path
) -> _Made:
    """Apply patches one after the other, then the edit, to copies of what they touch."""
    few = scratch / "few"
    few.mkdir()
    states: dict[str, FileState] = {}
    parts: list[str] = []

    def applied(names: Iterable[str], step: Callable[[], None]) -> bool:
        """Take a step, keep what it makes of `names`, and tell whether that is another thing."""
        copy_out(source.tree, names, few, known=states)
        before = {each: state_of(few / each) for each in sorted(names)}
        step()
        after = {each: state_of(few / each) for each in before}
        states.update(after)
        for each, state in after.items():
            parts.extend((each, state.kind, state.digest))
        return after != before

    for name, path in files.items():
        change = scratch / "change"
        change.write_bytes(git.read_mail(path, scratch).change)
        touched = git.touched(name, change)
        changed = applied(touched.names, partial(_apply, few, name, change))
        if touched.writes and not changed:
            raise StageError("patch", f"git took {name} and changed nothing; export it again")
    if edit is not None:
        applied(edit.touched, partial(_edit, few, edit))
    return _Made(few=few, touched=tuple(sorted(states)), digest=sha256_text(*parts))


def _apply(tree: Path, name: str, change: Path) -> None:
    done = git.apply(change, tree)
    if done.returncode == 0:
        return
    taken_back = git.apply(change, tree, reverse=True, check=True)
    hint = (
        "this source has it already: give a pristine one"
        if taken_back.returncode == 0
        else git.line_ends_hint(name, change) or "rebase the series on this source"
    )
    raise StageError("patch", f"{name} does not apply; {hint}\n{done.output.rstrip()}")


def require_fit(edit: Edit, tree: PatchedTree) -> None:
    """Raise StageError if `edit` cannot be made to `tree`."""
    for file in sorted(edit.touched):
        _edited(tree.tree, edit, file)


def _edit(tree: Path, edit: Edit) -> None:
    for file in sorted(edit.touched):
        content = _edited(tree, edit, file)
        (tree / file).write_bytes(content)


def _edited(tree: Path, edit: Edit, file: str) -> bytes:
    state = state_of(tree / file)
    if not state.is_file:
        raise StageError("patch", f"{edit.name}: there is no file {file} to edit")
    return edit.applied(file, state.content)
