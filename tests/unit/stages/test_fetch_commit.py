# SPDX-License-Identifier: GPL-2.0-only
"""fetch DIR@COMMIT: what a repository has at a commit, byte for byte, whatever lies around it."""

import shutil
from pathlib import Path

import pytest
from pristine_tree import committed, contents, git

from harness.errors import UserError
from harness.host import pristine
from harness.host.cache import Cache
from harness.host.few_files import FileState
from harness.stages.fetch import fetch
from harness.stages.sources import commit as stage
from harness.stages.sources.commit import commit_told
from harness.values import KernelSource

FILE = "mm/page_alloc.c"


@pytest.fixture
def repo(fake_kernel: Path) -> Path:
    """The fake kernel, committed and tagged v1, and an edit of it that is not committed."""
    committed(fake_kernel)
    git("tag", "v1", cwd=fake_kernel)
    (fake_kernel / FILE).write_text("int edited;\n")
    (fake_kernel / "untracked").write_text("x\n")
    return fake_kernel


def files_at(repo: Path, name: str, place: Path) -> dict[str, FileState]:
    """Return what git itself checks out."""
    git("worktree", "add", "--quiet", "--force", "--detach", str(place), name, cwd=repo)
    found = contents(place)
    git("worktree", "remove", "--force", str(place), cwd=repo)
    return found


def state_of_repository(repo: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in repo.rglob("*") if path.is_file()}


def same_as_git(source: KernelSource, repo: Path, name: str, place: Path) -> bool:
    return contents(source.tree) == files_at(repo, name, place)


def test_a_commit_is_brought_and_the_work_tree_is_let_alone(
    repo: Path, cache: Cache, tmp_path: Path
) -> None:
    before = state_of_repository(repo)
    source = fetch(f"{repo}@v1", cache)

    assert state_of_repository(repo) == before
    assert same_as_git(source, repo, "v1", tmp_path / "git")
    assert source.release == "5.15.180"
    assert source.origin == f"local commit {git('rev-parse', 'v1', cwd=repo).strip()}"
    assert commit_told(source.origin) == git("rev-parse", "v1", cwd=repo).strip()
    pristine.require_source(source, cache)


def test_the_same_files_are_the_same_source(
    repo: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fetch(f"{repo}@v1", cache)
    git("commit", "--quiet", "--allow-empty", "--message=empty", cwd=repo)
    monkeypatch.setattr(stage, "write_out", None)  # nobody writes them again

    other = fetch(f"{repo}@HEAD", cache)
    assert other.digest == first.digest
    assert other.origin != first.origin
    assert fetch(f"{repo}@v1", cache) == first


def test_a_clean_directory_is_the_same_source_as_its_commit(
    repo: Path, cache: Cache, tmp_path: Path
) -> None:
    """Also with files that are named like those that a build makes elsewhere."""
    for name in ("tools/perf/util/bpf_skel/vmlinux/vmlinux.h", "samples/System.map"):
        (repo / name).parent.mkdir(parents=True)
        (repo / name).write_text("a source\n")
        git("add", name, cwd=repo)
    git("commit", "--quiet", "--message=named", cwd=repo)
    git("tag", "--force", "v1", cwd=repo)
    git("worktree", "add", "--quiet", str(tmp_path / "clean"), "v1", cwd=repo)
    (tmp_path / "clean/.git").unlink()
    at_v1 = fetch(f"{repo}@v1", cache)
    clean = fetch(str(tmp_path / "clean"), cache)

    assert (clean.digest, clean.tree) == (at_v1.digest, at_v1.tree)
    assert clean.origin == "local"


def test_a_second_commit_is_made_of_links_and_what_differs(
    repo: Path, cache: Cache, tmp_path: Path
) -> None:
    """Files that come, go, change their kind, or stand where a folder was."""
    first = fetch(f"{repo}@v1", cache)
    (repo / "usr/folder").mkdir()
    (repo / "usr/folder/a").write_text("a\n")
    (repo / "link").symlink_to("Makefile")
    (repo / "untracked").rename(repo / "mode")
    git("add", "--all", cwd=repo)
    git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},module", cwd=repo)
    git("commit", "--quiet", "--message=two", cwd=repo)
    git("tag", "v2", cwd=repo)
    (repo / "module").write_text("a file now\n")
    shutil.rmtree(repo / "usr/folder")
    (repo / "usr/folder").write_text("a file now\n")
    (repo / "link").unlink()
    (repo / "link").mkdir()
    (repo / "link/b").write_text("b\n")
    (repo / "mode").chmod(0o755)
    git("add", "--all", cwd=repo)
    git("commit", "--quiet", "--message=three", cwd=repo)

    for name in ("v2", "HEAD", "v1~0", "v2"):
        source = fetch(f"{repo}@{name}", cache)
        assert same_as_git(source, repo, name, tmp_path / "git")
        pristine.require_source(source, cache)
        assert source.digest == fetch(f"{repo}@{name}", Cache(tmp_path / f"fresh-{name}")).digest
        assert (source.tree / "Makefile").samefile(first.tree / "Makefile")
    assert "int one;" in (first.tree / FILE).read_text()
    git("worktree", "add", "--quiet", str(tmp_path / "other"), "HEAD", cwd=repo)
    (tmp_path / "other/new").write_text("x\n")
    git("add", "--all", cwd=tmp_path / "other")
    git("commit", "--quiet", "--message=four", cwd=tmp_path / "other")
    source = fetch(f"{tmp_path}/other@HEAD", cache)
    assert (source.tree / "Makefile").samefile(first.tree / "Makefile")


def test_what_was_brought_last_may_be_gone_or_unknown_here(
    repo: Path, cache: Cache, tmp_path: Path
) -> None:
    first = fetch(f"{repo}@v1", cache)
    git("commit", "--quiet", "--all", "--message=two", cwd=repo)
    # The same place with another history.
    shutil.rmtree(repo / ".git")
    committed(repo)
    assert same_as_git(fetch(f"{repo}@HEAD", cache), repo, "HEAD", tmp_path / "git")
    shutil.rmtree(cache.root / "sources")
    (repo / FILE).write_text("int three;\n")
    git("commit", "--quiet", "--all", "--message=three", cwd=repo)

    source = fetch(f"{repo}@HEAD", cache)
    assert same_as_git(source, repo, "HEAD", tmp_path / "git")
    assert source.digest != first.digest


def test_filters_and_settings_of_the_user_are_kept_out(
    repo: Path, cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(
        f'[core]\n\tautocrlf = true\n\tattributesFile = {home}/attributes\n[filter "f"]\n'
        f"\tsmudge = touch {tmp_path}/started; sed s/one/two/\n"
    )
    (home / "attributes").write_text("*.c filter=f\n")
    monkeypatch.setenv("HOME", str(home))
    git("config", "core.autocrlf", "true", cwd=repo)
    git("config", "filter.g.smudge", f"touch {tmp_path}/started; sed s/one/two/", cwd=repo)
    (repo / ".git/info/attributes").write_text("* filter=g\n")
    (repo / ".git/hooks/post-checkout").write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    (repo / ".git/hooks/post-checkout").chmod(0o755)
    plain = git("cat-file", "blob", f"v1:{FILE}", cwd=repo)

    source = fetch(f"{repo}@v1", cache)

    assert (source.tree / FILE).read_text() == plain
    assert not (tmp_path / "started").exists()


def test_a_folder_of_a_repository(cache: Cache, fake_kernel: Path, tmp_path: Path) -> None:
    """Not a folder of a kernel: a kernel that is a folder of something larger."""
    committed(fake_kernel)
    kernel = fetch(f"{fake_kernel}@HEAD", cache)
    shutil.rmtree(fake_kernel / ".git")
    whole = tmp_path / "whole"
    whole.mkdir()
    shutil.move(fake_kernel, whole / "linux")
    committed(whole)

    assert fetch(f"{whole / 'linux'}@HEAD", cache).digest == kernel.digest
    with pytest.raises(UserError, match=r"whole@HEAD is not a kernel source \(it has no Makefile"):
        fetch(f"{whole}@HEAD", cache)


def test_a_bare_repository(repo: Path, cache: Cache, tmp_path: Path) -> None:
    git("clone", "--quiet", "--bare", str(repo), str(tmp_path / "bare.git"), cwd=tmp_path)

    assert fetch(f"{tmp_path}/bare.git@v1", cache).digest == fetch(f"{repo}@v1", cache).digest


def test_an_at_sign_in_a_path_and_in_a_name(repo: Path, cache: Cache, tmp_path: Path) -> None:
    git("stash", "--quiet", cwd=repo)
    there = repo.rename(tmp_path / "linux@work")
    (tmp_path / "linux").mkdir()
    directory = fetch(str(there), cache)
    at_v1 = fetch(f"{there}@v1", cache)

    assert directory.origin == "local"
    assert commit_told(at_v1.origin)
    assert fetch(f"{there}@HEAD@{{0}}", cache).digest == at_v1.digest
    assert fetch(f"{there}@@", cache).digest == at_v1.digest


@pytest.mark.parametrize("name", ["v9", "", "HEAD:mm", "v1..HEAD"])
def test_a_name_that_is_no_commit(repo: Path, cache: Cache, name: str) -> None:
    with pytest.raises(UserError, match=r"linux-5\.15\.180 has no commit "):
        fetch(f"{repo}@{name}", cache)
    assert not (cache.root / "sources").exists()


def test_a_commit_that_is_no_kernel(repo: Path, cache: Cache) -> None:
    git("rm", "--quiet", "--force", FILE, cwd=repo)
    git("commit", "--quiet", "--message=removed", cwd=repo)

    with pytest.raises(UserError, match=r"@HEAD is not a kernel source \(it has no mm/page_alloc"):
        fetch(f"{repo}@HEAD", cache)
    assert not (cache.root / "sources").exists()


def test_a_directory_that_is_no_repository(fake_kernel: Path, cache: Cache) -> None:
    with pytest.raises(UserError, match="is not in a git repository"):
        fetch(f"{fake_kernel}@HEAD", cache)


def test_a_partial_clone_is_told_and_leaves_nothing(
    repo: Path, cache: Cache, tmp_path: Path
) -> None:
    git("config", "uploadpack.allowFilter", "true", cwd=repo)
    partial = tmp_path / "partial"
    filtered = ("--quiet", "--filter=blob:none", "--no-checkout")
    git("clone", *filtered, f"file://{repo}", str(partial), cwd=tmp_path)

    with pytest.raises(UserError, match=r"is a partial clone, .*worktree add DIR COMMIT"):
        fetch(f"{partial}@HEAD", cache)
    # Enough of it to be known as a kernel.
    git("checkout", "--quiet", "HEAD", "--", "Makefile", FILE, cwd=partial)
    with pytest.raises(UserError, match=r"is a partial clone, .*worktree add DIR COMMIT"):
        fetch(f"{partial}@HEAD", cache)
    assert not (cache.root / "sources").exists()

    git("worktree", "add", "--quiet", str(tmp_path / "tree"), "HEAD", cwd=partial)
    assert fetch(f"{partial}@HEAD", cache).digest == fetch(f"{repo}@v1", cache).digest


def test_a_shallow_clone_has_its_last_commit_whole(
    repo: Path, cache: Cache, tmp_path: Path
) -> None:
    git("commit", "--quiet", "--all", "--message=two", cwd=repo)
    shallow = tmp_path / "shallow"
    git("clone", "--quiet", "--depth=1", f"file://{repo}", str(shallow), cwd=tmp_path)

    assert fetch(f"{shallow}@HEAD", cache).digest == fetch(f"{repo}@HEAD", cache).digest
    with pytest.raises(UserError, match=r"shallow clone; .*fetch --unshallow"):
        fetch(f"{shallow}@HEAD~1", cache)
