# SPDX-License-Identifier: GPL-2.0-only
"""A kernel that lacks what a burst needs is refused from its source, before it is built."""

from pathlib import Path

import pytest

from harness.compare.kinds.base import SourceText
from harness.errors import UserError
from harness.stages.source_needs import require_in_source
from harness.values import KernelSource, PatchedTree

NEED = SourceText(path="include/linux/x.h", text="SIZE_STATS", what="statistics")


def tree_of(root: Path) -> PatchedTree:
    source = KernelSource(
        release="6.1.192",
        line="6.1",
        origin="local",
        digest="",
        page_alloc_blob="",
        page_alloc_upstream=None,
        tree=root,
    )
    return PatchedTree(
        source=source,
        series_name="",
        series_digest="",
        patches=(),
        provides=(),
        touched=(),
        key="",
        tree=root,
    )


def test_a_text_that_is_there_is_enough(tmp_path: Path) -> None:
    path = tmp_path / NEED.path
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\xff enum { SIZE_STATS };\n")

    require_in_source(tree_of(tmp_path), NEED)


def test_an_absent_text_or_file_is_told_with_the_release(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"6\.1\.192 has no statistics; take another kernel"):
        require_in_source(tree_of(tmp_path), NEED)
    path = tmp_path / NEED.path
    path.parent.mkdir(parents=True)
    path.write_text("nothing of the kind\n")
    with pytest.raises(UserError, match="has no statistics"):
        require_in_source(tree_of(tmp_path), NEED)
