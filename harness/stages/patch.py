# SPDX-License-Identifier: GPL-2.0-only
"""patch: from a pristine source and a series to a patched tree of its own."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.digest import sha256_text
from harness.errors import StageError, UserError
from harness.host import source_tree
from harness.host.assets import asset
from harness.host.cache import Cache
from harness.host.command import CommandFailedError, require, run
from harness.host.deadline import Deadline
from harness.host.files import sha256_file
from harness.texts.build.series import Patch, parse_patch, parse_series, prefix
from harness.texts.build.tree import parse_makefile
from harness.values import KernelSource, PatchedTree

logger = logging.getLogger("patch")

APPLY_LIMIT_S = 60.0
ABSENT = "absent"


def series_directory(source: KernelSource) -> Path:
    """Return the directory of the series written for this source's line."""
    line = parse_makefile((source.tree / "Makefile").read_text(errors="replace")).line
    return asset("patches") / f"linux-{line}"


def discarded_design(source: KernelSource, name: str) -> Path:
    """Return a change to the series that was tried and discarded; UserError if there is none."""
    place = asset("patches") / "discarded" / series_directory(source).name
    path = place / f"{name}.patch"
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in place.glob("*.patch"))) or "none"
        raise UserError(f"{place} has no design {name}; there are: {known}")
    return path


def read_series(directory: Path) -> tuple[Patch, ...]:
    """Read a series whole: its order file and every mail it lists.

    Raises UserError when a listed patch is absent or a present one is not listed.
    """
    try:
        names = parse_series((directory / "series").read_text())
    except FileNotFoundError:
        raise UserError(f"{directory} has no `series` file; list the patches in it") from None
    present = {path.name for path in directory.glob("*.patch")}
    if wrong := sorted(present.symmetric_difference(names)):
        raise UserError(f"{directory}/series and its patches disagree about {', '.join(wrong)}")
    return tuple(parse_patch(name, (directory / name).read_text()) for name in names)


def patch(
    source: KernelSource,
    cache: Cache,
    *,
    upto: str | None = None,
    directory: Path | None = None,
    extra: Sequence[Path] = (),
) -> PatchedTree:
    """Apply the series (up to `upto`; "0" for none of it) and `extra` to a clone of `source`.

    Raises StageError naming the patch and hunk that does not apply.
    """
    directory = directory or series_directory(source)
    series = read_series(directory)
    chosen = prefix([item.name for item in series], upto)
    files = {item.name: directory / item.name for item in series if item.name in chosen}
    files |= {path.name: path for path in extra}
    patches = [item for item in series if item.name in chosen]
    patches += [parse_patch(path.name, path.read_text()) for path in extra]
    # A message that is written anew builds no other kernel, and ages no result.
    series_digest = sha256_text(*(item.change for item in patches))
    key = sha256_text("tree", source.digest, series_digest, *files)
    cached = cache.load("trees", key, PatchedTree)
    if cached:
        return cached
    touched = sorted({name for item in patches for name in item.touched})
    tree = PatchedTree(
        source=source,
        series_name=directory.name,
        series_digest=series_digest,
        patches=tuple(files),
        touched=tuple(touched),
        key=key,
        tree=cache.entry("trees", key) / "tree",
    )
    with cache.locked(f"tree-{key[:16]}"), cache.building("tree") as scratch:
        # Another run may have made it while we waited; its files are in use now.
        if cached := cache.load("trees", key, PatchedTree):
            return cached
        logger.info("applying %d patches of %s to %s", len(patches), directory.name, source.release)
        _apply_all(source, files, patches, touched, scratch / "tree")
        cache.publish(scratch, "trees", key, tree)
    return tree


def _apply_all(
    source: KernelSource,
    files: Mapping[str, Path],
    patches: Sequence[Patch],
    touched: list[str],
    tree: Path,
) -> None:
    own = {name: (source.tree / name).exists() for name in touched}
    source_tree.clone(source.tree, tree, own=own)
    for item in patches:
        before = {name: _digest(tree / name) for name in item.touched}
        _apply(tree, files[item.name])
        unchanged = [name for name in item.touched if _digest(tree / name) == before[name]]
        if unchanged:
            raise StageError(
                "patch",
                f"{item.name} was accepted but left {', '.join(unchanged)} unchanged; "
                "is the cache inside another git checkout with unusual settings?",
            )


def _apply(tree: Path, patch_file: Path) -> None:
    require("git")
    # Without the ceiling, git takes an enclosing checkout for its work tree, skips every
    # file of ours and exits 0. git apply takes no fuzz; an offset is no fuzz.
    env = {"GIT_CEILING_DIRECTORIES": str(tree.resolve().parent)}
    deadline = Deadline.after(APPLY_LIMIT_S, f"applying {patch_file.name}")
    command = ["git", "apply", "--whitespace=nowarn"]
    try:
        run([*command, str(patch_file)], cwd=tree, env=env, deadline=deadline)
    except CommandFailedError as error:
        reverse = run(
            [*command, "--reverse", "--check", str(patch_file)],
            cwd=tree,
            env=env,
            deadline=deadline,
            ok=None,
        )
        hint = (
            "this source has it already: give a pristine one"
            if reverse.returncode == 0
            else "rebase the series on this source"
        )
        raise StageError(
            "patch", f"{patch_file.name} does not apply; {hint}\n{error.tail}"
        ) from error


def _digest(path: Path) -> str:
    return sha256_file(path) if path.exists() else ABSENT
