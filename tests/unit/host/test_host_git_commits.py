# SPDX-License-Identifier: GPL-2.0-only
"""Commits of a user's repository: what names mean, ranges, mails, and clones that lack objects."""

import shutil
from pathlib import Path

import pytest
from pristine_tree import committed, git

from harness.errors import UserError
from harness.host.git_commits import commit_of, commits_between, mail_of, toplevel_of

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


def test_a_range_is_its_commits_oldest_first(repo: Path) -> None:
    commits = commits_between(repo, "base", "HEAD")

    assert commits == (head(repo, "HEAD~1"), head(repo))
    assert commits_between(repo, "HEAD~1", "HEAD") == commits[1:]


def test_a_range_without_commits(repo: Path) -> None:
    for a, b in (("HEAD", "base"), ("HEAD", "HEAD")):
        with pytest.raises(UserError, match=rf"{a}\.\.{b} has no commits .*give the older one"):
            commits_between(repo, a, b)
    with pytest.raises(UserError, match="has no commit 'nowhere'"):
        commits_between(repo, "nowhere", "HEAD")


def test_a_range_with_a_merge_is_no_series(repo: Path) -> None:
    git("checkout", "--quiet", "-b", "side", "base", cwd=repo)
    (repo / "mm/side.c").write_text("int side;\n")
    git("add", "--all", cwd=repo)
    git("commit", "--quiet", "--message=side", cwd=repo)
    git("merge", "--quiet", "--message=merge", head(repo, "@{-1}"), cwd=repo)

    with pytest.raises(UserError, match=f"has a merge, {head(repo)[:12]}, which is not one patch"):
        commits_between(repo, "base", "HEAD")
    with pytest.raises(UserError, match="is a merge or changes nothing"):
        mail_of(repo, "HEAD")


def test_a_mail_is_what_git_am_takes(repo: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git("clone", "--quiet", str(repo), str(clone), cwd=tmp_path)
    git("reset", "--quiet", "--hard", "HEAD~2", cwd=clone)

    for number, commit in enumerate(commits_between(repo, "base", "HEAD")):
        mail = tmp_path / f"{number}.patch"
        mail.write_bytes(mail_of(repo, commit))
        git("-c", "user.name=x", "-c", "user.email=x", "am", "--quiet", str(mail), cwd=clone)

    assert (clone / FILE).read_text() == (repo / FILE).read_text()
    assert git("log", "-1", "--format=%s", cwd=clone) == "mm: three\n"


def test_no_setting_or_filter_of_the_repository_changes_a_mail(repo: Path, tmp_path: Path) -> None:
    plain = mail_of(repo, "HEAD")
    started = tmp_path / "started"
    for name, value in {
        "diff.noprefix": "true",
        "diff.context": "1",
        "diff.algorithm": "patience",
        "diff.external": f"touch {started}",
        "diff.cpp.textconv": f"touch {started}; cat",
        "core.abbrev": "40",
        "core.fsmonitor": f"touch {started}",
        "format.subjectPrefix": "OTHER",
        "format.attach": "true",
        "format.signature": "me",
    }.items():
        git("config", name, value, cwd=repo)
    (repo / ".git/info/attributes").write_text("*.c -diff\n")
    git("replace", "HEAD", "HEAD~1", cwd=repo)

    assert mail_of(repo, "HEAD") == plain
    assert b"+int three;\n" in plain
    assert plain.startswith(b"From 0000000000")
    assert not started.exists()


def test_a_commit_that_changes_nothing_is_no_patch(repo: Path) -> None:
    git("commit", "--quiet", "--allow-empty", "--message=empty", cwd=repo)

    with pytest.raises(UserError, match="is a merge or changes nothing"):
        mail_of(repo, "HEAD")


def test_toplevel(repo: Path, tmp_path: Path) -> None:
    bare, tree = tmp_path / "bare.git", tmp_path / "tree"
    git("clone", "--quiet", "--bare", str(repo), str(bare), cwd=tmp_path)
    git("worktree", "add", "--quiet", str(tree), "base", cwd=repo)

    assert toplevel_of(repo / "mm") == repo
    assert toplevel_of(bare) == bare
    assert toplevel_of(tree) == tree
    assert mail_of(bare, "HEAD") == mail_of(tree, head(repo)) == mail_of(repo, "HEAD")
    assert commit_of(tree, "HEAD") == head(repo, "base")


def test_what_is_no_repository(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is not in a git repository: fatal: not a git repository"):
        toplevel_of(tmp_path)
    with pytest.raises(UserError, match="absent is not a directory"):
        toplevel_of(tmp_path / "absent")


def test_a_shallow_clone_tells_where_it_ends(repo: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git("clone", "--quiet", "--depth=2", f"file://{repo}", str(clone), cwd=tmp_path)

    assert commits_between(clone, "HEAD~1", "HEAD") == (head(repo),)
    assert mail_of(clone, "HEAD") == mail_of(repo, "HEAD")
    with pytest.raises(UserError, match=r"does not have what .*fetch --unshallow"):
        mail_of(clone, "HEAD~1")
    with pytest.raises(UserError, match=r"shallow clone; .*fetch --unshallow"):
        commit_of(clone, head(repo, "base"))
    # Of a history that is cut, git says that its first commit changes all.
    other = git("commit-tree", "-m", "other", "HEAD^{tree}", cwd=clone).strip()
    with pytest.raises(UserError, match=r"shallow clone, which ends before .*fetch --unshallow"):
        commits_between(clone, other, "HEAD")


def test_a_partial_clone_is_not_filled_and_says_so(repo: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git("config", "uploadpack.allowFilter", "true", cwd=repo)
    filtered = ("--quiet", "--filter=blob:none", "--no-checkout")
    git("clone", *filtered, f"file://{repo}", str(clone), cwd=tmp_path)

    assert len(commits_between(clone, "HEAD~2", "HEAD")) == 2
    before = sorted((clone / ".git/objects").rglob("*"))
    with pytest.raises(UserError, match=r"partial clone, .*worktree add DIR COMMIT"):
        mail_of(clone, "HEAD")
    assert sorted((clone / ".git/objects").rglob("*")) == before

    git("worktree", "add", "--quiet", str(tmp_path / "tree"), "HEAD", cwd=clone)
    git("worktree", "add", "--quiet", str(tmp_path / "parent"), "HEAD~1", cwd=clone)
    assert mail_of(clone, "HEAD") == mail_of(repo, "HEAD")


def test_a_broken_repository_says_so(repo: Path) -> None:
    shutil.rmtree(repo / ".git/objects" / head(repo, "HEAD^{tree}")[:2])

    with pytest.raises(UserError, match=r"git cannot read .*fsck tells what is broken"):
        mail_of(repo, "HEAD")
