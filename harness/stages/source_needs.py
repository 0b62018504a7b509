# SPDX-License-Identifier: GPL-2.0-only
"""Whether a kernel's source has what is asked of it, read before anything is built."""

from harness.compare.kinds.base import SourceText
from harness.errors import UserError
from harness.values import PatchedTree


def require_in_source(tree: PatchedTree, need: SourceText) -> None:
    """UserError unless the file that `need` names has its text."""
    path = tree.tree / need.path
    if path.is_file() and need.text in path.read_text(encoding="utf-8", errors="replace"):
        return
    raise UserError(
        f"kernel {tree.source.release} has no {need.what}; take another kernel, or leave them out"
    )
