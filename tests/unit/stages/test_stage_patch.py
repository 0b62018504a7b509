# SPDX-License-Identifier: GPL-2.0-only
"""patch: no fuzz, nothing in place, every touched file changed."""

import subprocess  # noqa: TID251 - a git checkout to stand in
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import StageError, UserError
from harness.host.cache import Cache
from harness.host.series import series_in
from harness.stages.apply import require_fit
from harness.stages.fetch import fetch
from harness.stages.patch import patch
from harness.texts.build.edit import Edit, Replacement
from harness.values import KernelSource

ONE = ("int one;", "int two;", "int TWO;", "int three;")
TWO = ("int three;", "int four;", "int FOUR;", "int five;")


@pytest.fixture
def source(cache: Cache, fake_kernel: Path) -> KernelSource:
    return fetch(str(fake_kernel), cache)


def test_series_makes_a_new_tree_and_leaves_the_source(
    source: KernelSource, cache: Cache, write_series: Callable[..., Path]
) -> None:
    tree = patch(source, cache, series=series_in(write_series(ONE, TWO)))

    patched = (tree.tree / "mm/page_alloc.c").read_text()
    assert "int TWO;" in patched
    assert "int FOUR;" in patched
    assert "int two;" in (source.tree / "mm/page_alloc.c").read_text()
    assert tree.touched == ("mm/page_alloc.c",)


def test_prefix_has_a_key_of_its_own(
    source: KernelSource, cache: Cache, write_series: Callable[..., Path]
) -> None:
    directory = write_series(ONE, TWO)
    whole = patch(source, cache, series=series_in(directory))
    first = patch(source, cache, series=series_in(directory), upto="1")
    none = patch(source, cache, series=series_in(directory), upto="0")

    assert len({whole.key, first.key, none.key}) == 3
    assert "int four;" in (first.tree / "mm/page_alloc.c").read_text()
    assert none.patches == ()


def test_message_is_no_part_of_the_digest_and_the_change_is(
    source: KernelSource, cache: Cache, write_series: Callable[..., Path]
) -> None:
    directory = write_series(ONE)
    before = patch(source, cache, series=series_in(directory))
    mail = next(directory.glob("*.patch"))
    mail.write_text(mail.read_text().replace("change 1", "change one"))
    reworded = patch(source, cache, series=series_in(directory))
    mail.write_text(mail.read_text().replace("int TWO;", "int Two;"))
    changed = patch(source, cache, series=series_in(directory))

    assert reworded.series_digest == before.series_digest
    assert changed.series_digest != before.series_digest


def test_patch_that_does_not_apply_names_itself_and_leaves_no_tree(
    source: KernelSource, cache: Cache, write_series: Callable[..., Path]
) -> None:
    directory = write_series(ONE, ("int three;", "int absent;", "int x;", "int five;"))

    with pytest.raises(
        StageError, match="0002-change.patch: mm/page_alloc.c, hunk 1 .* has no place"
    ):
        patch(source, cache, series=series_in(directory))
    assert not list(cache.root.glob("trees/*"))


def test_context_that_is_another_is_told(
    source: KernelSource,
    cache: Cache,
    write_series: Callable[..., Path],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The removed line stands once, so there is a place for the change; git takes no fuzz."""
    directory = write_series(ONE)
    mail = directory / "0001-change.patch"
    mail.write_text(mail.read_text().replace(" int three;", " int thrice;"))
    with caplog.at_level("INFO"):
        tree = patch(source, cache, series=series_in(directory))

    before = (source.tree / "mm/page_alloc.c").read_text()
    assert (tree.tree / "mm/page_alloc.c").read_text() == before.replace("int two;", "int TWO;")
    assert (
        "0001-change.patch: mm/page_alloc.c, hunk 1: placed at line 3 by 1 of 2 lines of context"
        in caplog.messages
    )


def test_patch_that_is_in_already_says_so(
    source: KernelSource, cache: Cache, write_series: Callable[..., Path]
) -> None:
    with pytest.raises(StageError, match="has it already"):
        patch(source, cache, series=series_in(write_series(ONE, ONE)))


def test_cache_inside_a_git_checkout(
    fake_kernel: Path,
    tmp_path: Path,
    write_series: Callable[..., Path],
) -> None:
    """Git apply would take the enclosing checkout, skip all files and exit 0."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    subprocess.run(["git", "init", "--quiet", str(checkout)], check=True)
    cache = Cache(checkout / "cache")

    tree = patch(fetch(str(fake_kernel), cache), cache, series=series_in(write_series(ONE)))

    assert "int TWO;" in (tree.tree / "mm/page_alloc.c").read_text()


def test_edit_is_made_on_top_of_the_series_and_makes_another_tree(
    source: KernelSource, cache: Cache, write_series: Callable[..., Path]
) -> None:
    directory = write_series(ONE, TWO)
    edits = [
        Edit(
            name="wrong.toml",
            subject="wrong",
            replacements=(
                Replacement(file="mm/page_alloc.c", old="int TWO;\n", new=new),
                Replacement(file="usr/gen_init_cpio", old="set -eu\n", new=""),
            ),
        )
        for new in ("int Two;\n", "int 2;\n")
    ]
    trees = [
        patch(source, cache, series=series_in(directory), edit=edit) for edit in (None, *edits)
    ]

    assert len({tree.key for tree in trees}) == 3
    text = (trees[1].tree / "mm/page_alloc.c").read_text()
    assert "int Two;" in text
    assert "int FOUR;" in text
    assert "set -eu" not in (trees[1].tree / "usr/gen_init_cpio").read_text()
    assert "set -eu" in (source.tree / "usr/gen_init_cpio").read_text()
    assert trees[1].patches == (*trees[0].patches, "wrong.toml")
    assert trees[1].touched == ("mm/page_alloc.c", "usr/gen_init_cpio")


def test_edit_of_a_file_that_is_not_there(
    source: KernelSource, cache: Cache, write_series: Callable[..., Path]
) -> None:
    absent = Edit(
        name="x.toml",
        subject="x",
        replacements=(Replacement(file="mm/absent.c", old="a\n", new=""),),
    )
    tree = patch(source, cache, series=series_in(write_series(ONE)))

    with pytest.raises(StageError, match="x.toml: there is no file mm/absent.c to edit"):
        require_fit(absent, tree)
    with pytest.raises(StageError, match="x.toml: there is no file mm/absent.c to edit"):
        patch(source, cache, series=series_in(write_series(ONE)), edit=absent)


def test_series_and_directory_must_agree(write_series: Callable[..., Path]) -> None:
    directory = write_series(ONE)
    (directory / "0009-stray.patch").write_text("")

    with pytest.raises(UserError, match="0009-stray.patch"):
        series_in(directory)
