# SPDX-License-Identifier: GPL-2.0-only
"""The edits that bench times are edits."""

from pathlib import Path

from harness.jobs import bench
from harness.values import KernelSource


def test_each_edit_is_another_source_and_spares_the_pristine_one(tmp_path: Path) -> None:
    file = tmp_path / "pristine" / bench.EDITED_FILE
    file.parent.mkdir(parents=True)
    file.write_text("int zone;\n")
    source = KernelSource(
        release="5.15.180",
        origin="local",
        digest="d",
        page_alloc_blob="",
        page_alloc_upstream=True,
        tree=tmp_path / "pristine",
    )
    edits = [bench.edited(source, tmp_path, name) for name in ("one", "two")]
    texts = [(edit.tree / bench.EDITED_FILE).read_text() for edit in edits]

    assert len({source.digest, *(edit.digest for edit in edits)}) == 3
    assert texts[0] != texts[1]
    assert all(text.startswith("int zone;\n") and len(text) > 20 for text in texts)
    assert file.read_text() == "int zone;\n"
