# SPDX-License-Identifier: GPL-2.0-only
"""The edits that bench times are edits."""

from pathlib import Path

from harness.host.cache import Cache
from harness.host.pristine import require_source
from harness.host.source_tree import adopted
from harness.jobs import bench
from harness.stages.fetch import fetch


def test_each_edit_is_another_source_and_spares_the_pristine_one(
    cache: Cache, fake_kernel: Path, tmp_path: Path
) -> None:
    before = (fake_kernel / bench.EDITED_FILE).read_text()
    private = Cache(tmp_path / "private")
    source = adopted(fetch(str(fake_kernel), cache), private)
    edits = [bench.edited(source, private, name) for name in ("one", "two")]
    texts = [(edit.tree / bench.EDITED_FILE).read_text() for edit in edits]

    assert len({source.digest, *(edit.digest for edit in edits)}) == 3
    assert texts[0] != texts[1]
    assert all(text.startswith(before) and len(text) > len(before) for text in texts)
    assert (source.tree / bench.EDITED_FILE).read_text() == before
    for each in (source, *edits):
        assert private.root in each.tree.parents
        require_source(each, private)
