# SPDX-License-Identifier: GPL-2.0-only
"""What a user wants to try: patches, mboxes, quilt's directories, ranges of commits."""

import shutil
import subprocess  # noqa: TID251 - a repository of the user's
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import StageError, UserError
from harness.host.cache import Cache
from harness.pipeline import KernelRequest, patched
from harness.stages.change import range_of, taken
from harness.values import PatchedTree

ONE = ("int one;", "int two;", "int TWO;", "int three;")
TWO = ("int three;", "int four;", "int FOUR;", "int five;")
FILE = "mm/page_alloc.c"


def git(repository: Path, *words: str) -> str:
    who = ["-c", "user.name=A", "-c", "user.email=a@b"]
    done = subprocess.run(
        ["git", *who, *words], cwd=repository, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def edit(repository: Path, old: str, new: str) -> str:
    path = repository / FILE
    path.write_text(path.read_text().replace(old, new))
    git(repository, "commit", "-qam", f"mm: {old} to {new}")
    return git(repository, "rev-parse", "HEAD")


@pytest.fixture
def repository(fake_kernel: Path) -> Path:
    git(fake_kernel, "init", "-q")
    git(fake_kernel, "add", ".")
    git(fake_kernel, "commit", "-qm", "the base")
    return fake_kernel


@pytest.fixture
def tree(cache: Cache, fake_kernel: Path) -> Callable[..., PatchedTree]:
    def make(*changes: str) -> PatchedTree:
        return patched(KernelRequest(kernel=str(fake_kernel), upto="0", changes=changes), cache)

    return make


def page_alloc(tree: PatchedTree) -> str:
    return (tree.tree / FILE).read_text()


def test_a_patch_a_directory_and_an_edit_are_made_in_their_order(
    tree: Callable[..., PatchedTree], write_series: Callable[..., Path]
) -> None:
    directory = write_series(ONE, TWO)
    single = str(directory / "0001-change.patch")
    both = tree(str(directory))
    again = tree(single, "patches/again.toml")

    assert "int TWO;" in page_alloc(both)
    assert "int FOUR;" in page_alloc(both)
    assert both.patches == ("0001-change.patch", "0002-change.patch")
    assert both.provides == ()
    assert "int FOUR;" not in page_alloc(again)
    assert "int TWO;" in page_alloc(again)
    assert "buddylab_again" in page_alloc(again)


def test_a_quilt_directory_may_hold_more_than_it_lists(
    tree: Callable[..., PatchedTree], write_series: Callable[..., Path], tmp_path: Path
) -> None:
    directory = write_series(ONE, TWO)
    (directory / "series").write_text("0002-change.patch -p1\n")
    work = tmp_path / "work"
    shutil.copytree(directory, work / "patches")

    assert tree(str(work)).patches == ("0002-change.patch",)


def test_an_mbox_is_taken_apart_and_its_cover_letter_left_out(
    tree: Callable[..., PatchedTree], repository: Path, tmp_path: Path
) -> None:
    for old, new in (("int two", "int TWO"), ("int four", "int FOUR")):
        edit(repository, old, new)
    mails = git(repository, "format-patch", "--stdout", "--cover-letter", "HEAD~2")
    git(repository, "checkout", "-q", "HEAD~2")
    mbox = tmp_path / "series.mbx"
    mbox.write_text(mails + "\n")
    made = tree(str(mbox))

    assert made.patches == (
        "0001-mm-int-two-to-int-TWO.patch",
        "0002-mm-int-four-to-int-FOUR.patch",
    )
    assert "int FOUR;" in page_alloc(made)


def test_a_change_that_has_no_place_is_named_with_what_stands_there(
    tree: Callable[..., PatchedTree], write_series: Callable[..., Path]
) -> None:
    directory = write_series(("int three;", "int absent;", "int x;", "int five;"))
    told = r"0001-change.patch: mm/page_alloc.c, hunk 1 .*has no place: after 1 of its lines there"
    with pytest.raises(StageError, match=told + r" is line 5, 'int four;'"):
        tree(str(directory / "0001-change.patch"))


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("absent.patch", None, "no such file or directory; give a patch, an mbox"),
        ("empty.mbx", 2 * "From a Mon Sep 17 00:00:00 2001\nSubject: hello\n\nx\n\n", "2 mails"),
        ("note.patch", "hello\n", "changes no file"),
    ],
)
def test_what_is_no_change_is_refused(
    tree: Callable[..., PatchedTree], tmp_path: Path, name: str, content: str | None, told: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=told):
        tree(str(path))


@pytest.mark.parametrize(
    ("series", "told"),
    [
        (None, "has no `series` file"),
        ("", "lists no patch"),
        ("a.patch\n", "a.patch, which is not"),
    ],
)
def test_a_directory_without_patches_is_refused(
    tree: Callable[..., PatchedTree], tmp_path: Path, series: str | None, told: str
) -> None:
    folder = tmp_path / "quilt"
    folder.mkdir()
    if series is not None:
        (folder / "series").write_text(series)
    with pytest.raises(UserError, match=told):
        tree(str(folder))


def test_a_range_is_one_patch_or_one_for_each_commit(repository: Path, tmp_path: Path) -> None:
    base = git(repository, "rev-parse", "HEAD")
    edit(repository, "int two", "int TWO")
    git(repository, "commit", "-q", "--allow-empty", "-m", "nothing")
    edit(repository, "int four", "int FOUR")
    (one,) = taken(f"{base}..HEAD", tmp_path / "one", repository=repository)
    each = taken(f"{base}..HEAD", tmp_path / "each", repository=repository, each=True)

    assert Path(one).read_text().count("\n+int ") == 2
    assert [Path(name).read_text().count("\n+int ") for name in each] == [1, 1]
    assert Path(each[1]).name == "0002-mm-int-four-to-int-FOUR.patch"


def test_a_range_is_read_without_the_repositorys_settings(repository: Path, tmp_path: Path) -> None:
    edit(repository, "int two", "int TWO")
    (plain,) = taken("HEAD~1..HEAD", tmp_path / "plain", repository=repository)
    git(repository, "config", "diff.noprefix", "true")
    git(repository, "config", "diff.context", "1")
    git(repository, "config", "diff.external", f"touch {tmp_path}/started")
    (repository / ".git/info/attributes").write_text("*.c -diff\n")
    (one,) = taken("HEAD~1..HEAD", tmp_path / "one", repository=repository)

    assert Path(one).read_bytes() == Path(plain).read_bytes()
    assert not (tmp_path / "started").exists()


def test_a_range_of_a_clone_that_lacks_it_says_how_to_get_it(
    repository: Path, tmp_path: Path
) -> None:
    edit(repository, "int two", "int TWO")
    git(repository, "config", "uploadpack.allowFilter", "true")
    for name, option in (("shallow", "--depth=1"), ("partial", "--filter=blob:none")):
        clone = str(tmp_path / name)
        git(tmp_path, "clone", "-q", "-n", option, f"file://{repository}", clone)

    with pytest.raises(UserError, match="shallow clone; get the rest: .* fetch --unshallow"):
        taken("HEAD~1..HEAD", tmp_path / "a", repository=tmp_path / "shallow")
    with pytest.raises(UserError, match="partial clone, which left files with its server"):
        taken("HEAD~1..HEAD", tmp_path / "b", repository=tmp_path / "partial")


def test_a_range_that_is_empty_or_of_no_commit_is_refused(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="HEAD..HEAD is empty: both commits have the same tree"):
        taken("HEAD..HEAD", tmp_path / "a", repository=repository)
    with pytest.raises(UserError, match="has no commit 'v9.9'"):
        taken("v9.9..HEAD", tmp_path / "b", repository=repository)
    with pytest.raises(UserError, match="is not in a git repository"):
        taken("HEAD~1..HEAD", tmp_path / "c", repository=tmp_path)
    edit(repository, "int two", "int TWO")
    with pytest.raises(UserError, match="HEAD~1 does not come after HEAD"):
        taken("HEAD..HEAD~1", tmp_path / "d", repository=repository, each=True)


def test_a_range_of_a_bare_repository_and_of_a_kernel_in_a_folder(
    repository: Path, tmp_path: Path
) -> None:
    edit(repository, "int two", "int TWO")
    git(tmp_path, "clone", "-q", "--bare", str(repository), str(tmp_path / "bare"))
    (plain,) = taken("HEAD~1..HEAD", tmp_path / "a", repository=repository)
    (bare,) = taken("HEAD~1..HEAD", tmp_path / "b", repository=tmp_path / "bare")
    assert Path(bare).read_bytes() == Path(plain).read_bytes()

    whole = tmp_path / "whole"
    git(tmp_path, "init", "-q", str(whole))
    shutil.copytree(repository, whole / "linux", ignore=shutil.ignore_patterns(".git"))
    (whole / "notes").write_text("one\n")
    git(whole, "add", ".")
    git(whole, "commit", "-qm", "the base")
    (whole / "notes").write_text("two\n")
    path = whole / "linux" / FILE
    path.write_text(path.read_text().replace("int TWO", "int zwei"))
    git(whole, "commit", "-qam", "both")
    for each in (False, True):
        target = tmp_path / f"c-{each}"
        (one,) = taken("HEAD~1..HEAD", target, repository=whole / "linux", each=each)
        assert f"+++ b/{FILE}" in Path(one).read_text()
        assert "notes" not in Path(one).read_text()


def test_a_name_of_something_else_is_told_to_be_no_commit(repository: Path, tmp_path: Path) -> None:
    git(repository, "tag", "file", f"HEAD:{FILE}")
    with pytest.raises(UserError, match="has by this name is no commit; git -C .* show file"):
        taken("HEAD..file", tmp_path / "a", repository=repository)


def mbox(repository: Path, tmp_path: Path, *order: int) -> Path:
    """Write mails of three commits, in an order."""
    for old, new in (("int two", "int TWO"), ("int four", "int FOUR"), ("int five", "int FIVE")):
        edit(repository, old, new)
    git(repository, "format-patch", "-q", f"-o{tmp_path / 'mails'}", "HEAD~3")
    mails = sorted((tmp_path / "mails").iterdir())
    path = tmp_path / "series.mbx"
    path.write_bytes(b"".join(mails[number - 1].read_bytes() + b"\n" for number in order))
    return path


def test_mails_out_of_their_order_are_refused(repository: Path, tmp_path: Path) -> None:
    path = mbox(repository, tmp_path, 2, 3, 1)
    with pytest.raises(UserError, match="in the order 2, 3, 1 of 3; put them in theirs"):
        taken(str(path), tmp_path / "a")


def test_a_mail_that_is_not_there_is_told(
    repository: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = mbox(repository, tmp_path, 1, 3)

    assert [Path(name).name for name in taken(str(path), tmp_path / "a")] == [
        "0001-mm-int-two-to-int-TWO.patch",
        "0002-mm-int-five-to-int-FIVE.patch",
    ]
    assert "series.mbx LACKS PATCH 2 OF 3" in caplog.text


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "changes no file; is it cut short, or a cover letter alone?"),
        (b"From a Mon Sep 17 00:00:00 2001\nSubject: [PATCH 0/3] x\n\nx\n", "a cover letter alone"),
        (b"From here to there\n", "begins as an mbox does, and git cannot take it apart"),
        (
            b"From a Mon Sep 17 00:00:00 2001\r\nSubject: x\r\n\r\nx\r\n",
            r"CR LF, .*: sed -i 's/\\r\$//' '.*a b.patch'",
        ),
        (b"\x1f\x8b\x08\0\0\0", "is compressed; unpack it"),
        (b"\xff\xfed\0i\0", "perhaps UTF-16"),
    ],
)
def test_what_can_change_no_kernel_is_refused_by_the_name_its_user_knows(
    tmp_path: Path, content: bytes, told: str
) -> None:
    path = tmp_path / "a b.patch"
    path.write_bytes(content)
    with pytest.raises(UserError, match=told) as error:
        taken(str(path), tmp_path / "a")
    assert str(path) in str(error.value)
    with pytest.raises(UserError, match="CHANGE is empty"):
        taken("", tmp_path / "b")


def test_an_edit_is_no_change_to_be_judged(
    tree: Callable[..., PatchedTree], write_series: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"again.toml replaces lines, which only the last change"):
        taken("patches/again.toml", tmp_path / "a")
    with pytest.raises(UserError, match=r"again.toml replaces lines, which only the last change"):
        tree("patches/again.toml", str(write_series(ONE)))


def test_a_patch_without_the_folders_in_front_is_told(
    tree: Callable[..., PatchedTree], repository: Path, tmp_path: Path
) -> None:
    edit(repository, "int two", "int TWO")
    patch = tmp_path / "p0.patch"
    patch.write_text(git(repository, "diff", "--no-prefix", "HEAD~1") + "\n")
    git(repository, "checkout", "-q", "HEAD~1")
    with pytest.raises(UserError, match=f"names {FILE}, where git wants a/{FILE}"):
        tree(str(patch))


def test_a_path_with_two_dots_is_no_range(tmp_path: Path) -> None:
    file = tmp_path / "a..b"
    file.write_text("x")

    assert range_of(str(file)) is None
    assert range_of("../patches/x.patch") is None
    assert str(range_of("v6.1..v6.2")) == "v6.1..v6.2"
    with pytest.raises(UserError, match="no range A..B"):
        range_of("a...b")


def test_own_series_stays_what_it_is_and_can_be_taken_patch_by_patch(tmp_path: Path) -> None:
    assert taken("patches/series", tmp_path / "a") == ("patches/series",)
    each = taken("patches/series", tmp_path / "b", each=True)
    assert len(each) > 10
    assert all(name.startswith("patches/series/") for name in each)


def test_a_user_s_patches_are_copied(write_series: Callable[..., Path], tmp_path: Path) -> None:
    directory = write_series(ONE, TWO)
    copies = taken(str(directory), tmp_path / "copies")

    assert [Path(name).name for name in copies] == [
        "0001-change.patch",
        "0002-change.patch",
    ]
    assert Path(copies[0]).read_bytes() == (directory / "0001-change.patch").read_bytes()
