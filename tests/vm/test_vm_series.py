# SPDX-License-Identifier: GPL-2.0-only
"""The series on a real kernel: what is built, what is exported, and what is edited on top of it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pristine_tree import committed, contents, with_git_am, with_quilt

from harness.host.assets import asset
from harness.host.cache import Cache
from harness.host.few_files import state_of
from harness.host.git_repo import NOBODY
from harness.host.series import design, series_for
from harness.jobs.export import mails
from harness.jobs.mutants import read_mutants
from harness.stages.apply import require_fit
from harness.stages.fetch import fetch
from harness.stages.patch import patch
from harness.values import KernelSource, PatchedTree

pytestmark = pytest.mark.vm

MUTANTS = Path(__file__).parents[1] / "mutants"
# Of the folders that the series touches: the whole source takes a minute to commit.
FOLDERS = (
    *("Documentation/admin-guide", "Documentation/filesystems"),
    *("include", "mm", "tools/testing/selftests"),
)


@pytest.fixture(scope="module")
def cache() -> Cache:
    """The user's own: these tests are about a real kernel."""
    return Cache.default()


@pytest.fixture(scope="module")
def source(cache: Cache) -> KernelSource:
    return fetch(os.environ.get("BUDDYLAB_TEST_KERNEL"), cache)


@pytest.fixture(scope="module")
def built(source: KernelSource, cache: Cache) -> PatchedTree:
    return patch(source, cache)


@pytest.fixture
def pristine(source: KernelSource, tmp_path: Path) -> Path:
    for folder in FOLDERS:
        shutil.copytree(source.tree / folder, tmp_path / "pristine" / folder, symlinks=True)
    return tmp_path / "pristine"


@pytest.fixture
def written(source: KernelSource, cache: Cache, tmp_path: Path) -> Path:
    mails(source, series_for(source), cache, author=NOBODY, target=tmp_path / "mails")
    return tmp_path / "mails"


def differing(tree: Path, built: PatchedTree) -> Iterator[str]:
    """Name the files that two trees do not have alike."""
    ours = contents(tree)
    theirs = {
        path.relative_to(built.tree).as_posix(): state_of(path)
        for folder in FOLDERS
        for path in (built.tree / folder).rglob("*")
        if path.is_symlink() or not path.is_dir()
    }
    return (name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))


def test_folders_are_those_that_the_series_touches(built: PatchedTree) -> None:
    assert all(name.startswith(FOLDERS) for name in built.touched)


def test_git_am_makes_the_tree_that_is_built(
    pristine: Path, written: Path, built: PatchedTree
) -> None:
    assert set(differing(pristine, built)) == set(built.touched)
    with_git_am(committed(pristine), sorted(written.glob("*.patch")))

    assert list(differing(pristine, built)) == []


@pytest.mark.skipif(
    shutil.which("quilt") is None, reason="quilt is not installed; see buddylab doctor --review"
)
def test_quilt_makes_the_tree_that_is_built(
    pristine: Path, written: Path, built: PatchedTree
) -> None:
    said = with_quilt(pristine, written)

    assert list(differing(pristine, built)) == []
    assert "offset" not in said
    assert "fuzz" not in said


def test_every_mutant_and_design_fits(built: PatchedTree) -> None:
    mutants = [mutant.edit for mutant in read_mutants(MUTANTS, ())]
    designs = [design(path.stem) for path in (asset("patches") / "designs").glob("*.toml")]

    assert mutants
    assert designs
    for edit in (*mutants, *designs):
        require_fit(edit, built)
