# SPDX-License-Identifier: GPL-2.0-only
"""Commits of a user's repository: what names mean, and clones that lack objects."""

import shutil
from pathlib import Path

import pytest
from pristine_tree import committed, git

from harness.errors import UserError
from harness.host.git_commits import commit_of, folder_of, opened, toplevel_of

FILE = "mm/page_alloc.c"


def changed(tree: Path, word: str) -> str:
    """Commit another `int one;`; return the commit."""
    file = tree / FILE
    file.write_text(file.read_text() + f"int {word};\n")
    git("commit", "--quiet", "--all", f"--message=mm: {word}", cwd=tree)
    return git("rev-parse", "HEAD", cwd=tree).strip()


@pytest.fixture
def repo(fake_kernel: Path) -> Path:
    """The fake kernel with three commits: base (a tag), and two on it."""
    committed(fake_kernel)
    git("tag", "base", cwd=fake_kernel)
    changed(fake_kernel, "two")
    changed(fake_kernel, "three")
    return fake_kernel


def head(repo: Path, name: str = "HEAD") -> str:
    return git("rev-parse", name, cwd=repo).strip()


def test_a_name_is_the_commit_that_git_says(repo: Path) -> None:
    git("tag", "--annotate", "--message=a tag", "v1", cwd=repo)

    for name in ("HEAD", "v1", "@", head(repo), head(repo)[:12]):
        assert commit_of(repo, name) == head(repo)
    assert commit_of(repo / "mm", "HEAD~2") == head(repo, "base")


@pytest.mark.parametrize("name", ["v9.9", "", "--all", "HEAD:mm", "HEAD~9", "a..b", "x\ny"])
def test_a_name_that_is_no_commit(repo: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"has no commit .*git tag list what it has"):
        commit_of(repo, name)


def test_a_misspelt_name_is_told_with_what_is_like_it(repo: Path) -> None:
    with pytest.raises(UserError, match=r"has no commit 'bse'; it has base$"):
        commit_of(repo, "bse")


def test_toplevel(repo: Path, tmp_path: Path) -> None:
    bare, tree = tmp_path / "bare.git", tmp_path / "tree"
    git("clone", "--quiet", "--bare", str(repo), str(bare), cwd=tmp_path)
    git("worktree", "add", "--quiet", str(tree), "base", cwd=repo)

    assert toplevel_of(repo / "mm") == repo
    assert toplevel_of(bare) == bare
    assert toplevel_of(tree) == tree
    assert commit_of(tree, "HEAD") == commit_of(bare, "base") == head(repo, "base")


def test_where_a_folder_is_in_its_repository(repo: Path, tmp_path: Path) -> None:
    git("clone", "--quiet", "--bare", str(repo), str(tmp_path / "bare.git"), cwd=tmp_path)

    assert folder_of(repo / "mm") == "mm/"
    assert folder_of(repo) == folder_of(tmp_path / "bare.git") == ""


def test_what_is_no_repository(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is not in a git repository: fatal: not a git repository"):
        toplevel_of(tmp_path)
    with pytest.raises(UserError, match="absent is not a directory"):
        toplevel_of(tmp_path / "absent")


def test_objects_are_those_of_a_work_tree_and_of_a_bare_repository(
    repo: Path, tmp_path: Path
) -> None:
    git("clone", "--quiet", "--bare", str(repo), str(tmp_path / "bare.git"), cwd=tmp_path)
    names = (head(repo, "HEAD~1"), head(repo))

    for place in (repo, repo / "mm", tmp_path / "bare.git"):
        with opened(place) as objects:
            diff = objects.git("diff", *names).raw
        assert diff.endswith(b"+int three;\n")


def test_a_clone_that_lacks_objects_is_not_filled_and_says_so(repo: Path, tmp_path: Path) -> None:
    git("config", "uploadpack.allowFilter", "true", cwd=repo)
    shallow, partial = tmp_path / "shallow", tmp_path / "partial"
    for clone, how in ((shallow, "--depth=1"), (partial, "--filter=blob:none")):
        git("clone", "--quiet", "--no-checkout", how, f"file://{repo}", str(clone), cwd=tmp_path)
    before = sorted((partial / ".git/objects").rglob("*"))

    with pytest.raises(UserError, match=r"shallow clone; .*fetch --unshallow"):
        commit_of(shallow, "HEAD~1")
    with (
        opened(shallow) as objects,
        pytest.raises(UserError, match=r"shallow clone; .*fetch --unshallow"),
    ):
        objects.git("diff", head(repo, "base"), head(repo))
    with (
        opened(partial) as objects,
        pytest.raises(UserError, match=r"partial clone, .*worktree add DIR COMMIT"),
    ):
        objects.git("diff", head(repo, "base"), head(repo))
    assert sorted((partial / ".git/objects").rglob("*")) == before


def test_a_broken_repository_says_so(repo: Path) -> None:
    shutil.rmtree(repo / ".git/objects" / head(repo, "HEAD^{tree}")[:2])

    with (
        opened(repo) as objects,
        pytest.raises(UserError, match=r"git cannot read .*fsck tells what is broken"),
    ):
        objects.git("ls-tree", "-r", head(repo))
