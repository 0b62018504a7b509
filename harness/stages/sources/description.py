# SPDX-License-Identifier: GPL-2.0-only
"""What a source tree says of itself, as the value that later stages get."""

from dataclasses import replace
from pathlib import Path

from harness.digest import git_blob_id
from harness.errors import UserError
from harness.host.series import line_for
from harness.texts.build.line import PAGE_ALLOC
from harness.texts.build.tree import parse_makefile
from harness.values import KernelSource

MAKEFILE = "Makefile"


def describe(tree: Path, *, origin: str, digest: str, final: Path, name: str = "") -> KernelSource:
    """Read a tree's release and allocator; `final` is where it will lie.

    Raises UserError if it is no kernel's; `name` is what its user calls it.
    """
    try:
        version = parse_makefile((tree / MAKEFILE).read_text(errors="replace"))
        page_alloc = (tree / PAGE_ALLOC).read_bytes()
    except FileNotFoundError as error:
        fact = f"it has no {Path(error.filename).relative_to(tree)}"
        raise _no_kernel(name or tree.name, fact) from error
    except (OSError, UserError) as error:
        raise _no_kernel(name or tree.name, str(error)) from error
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


def described_again(source: KernelSource, *, origin: str) -> KernelSource:
    """Return a cached source as it is asked for now: a line may be known that was not then."""
    line = line_for(".".join(source.release.split(".")[:2]))
    return replace(
        source,
        origin=origin,
        line=line.name,
        page_alloc_upstream=line.page_alloc_is_upstream(source.release, source.page_alloc_blob),
    )


def _no_kernel(name: str, fact: str) -> UserError:
    return UserError(
        f"{name} is not a kernel source ({fact}); give the directory, archive or commit that holds "
        f"{MAKEFILE} and {PAGE_ALLOC}"
    )
