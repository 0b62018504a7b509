# SPDX-License-Identifier: GPL-2.0-only
"""What a source tree says of itself, as the value that later stages get."""

from pathlib import Path

from harness.digest import git_blob_id
from harness.errors import UserError
from harness.host.series import line_for
from harness.texts.build.line import PAGE_ALLOC
from harness.texts.build.tree import parse_makefile
from harness.values import KernelSource

MAKEFILE = "Makefile"


def describe(tree: Path, *, origin: str, digest: str, final: Path) -> KernelSource:
    """Read a tree's release and allocator; `final` is where it will lie.

    Raises UserError if it is no kernel's.
    """
    try:
        version = parse_makefile((tree / MAKEFILE).read_text(errors="replace"))
        page_alloc = (tree / PAGE_ALLOC).read_bytes()
    except (OSError, UserError) as error:
        raise UserError(
            f"{tree.name} is not a kernel source ({error}); "
            f"give the directory or archive that holds {MAKEFILE} and {PAGE_ALLOC}"
        ) from error
    line = line_for(version.version)
    blob = git_blob_id(page_alloc)
    return KernelSource(
        release=version.release,
        line=line.name,
        origin=origin,
        digest=digest,
        page_alloc_blob=blob,
        page_alloc_upstream=line.page_alloc_is_upstream(version.release, blob),
        tree=final,
    )
