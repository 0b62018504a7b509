# SPDX-License-Identifier: GPL-2.0-only
"""Which kernel a run really used, and what must be said loudly about it."""

import re
from collections.abc import Iterator

from harness.report.document import Run

PAPER_RELEASE = "5.15.180"
_BLOB_SHOWN = 12  # hex digits, as kernel people write them
_PAPER_RELEASE = re.compile(r"5\.15\.180(?![0-9.])")


def kernel_warnings(run: Run) -> tuple[str, ...]:
    """Return one sentence for each way the kernel is not the paper's, pristine."""
    return tuple(_warnings(run))


def kernel_sentence(run: Run) -> str:
    """Return in one sentence which kernel ran and where its source came from."""
    origin = run.provenance
    state = {
        True: "is upstream's own file",
        False: "is NOT upstream's own file",
        None: "cannot be compared, no upstream file is known for this release",
    }[origin.page_alloc_upstream]
    return (
        f"Linux {run.uname_r} from {origin.origin_told}; before patching, its mm/page_alloc.c "
        f"(blob {origin.page_alloc_blob}) {state}."
    )


def kernel_in_short(run: Run) -> str:
    """Return which kernel ran, and whether its allocator was upstream's before patching."""
    told = {
        True: "upstream's own before patching",
        False: "NOT upstream's before patching",
        None: "not compared with upstream's",
    }[run.provenance.page_alloc_upstream]
    return f"Linux {run.uname_r} ({run.provenance.kernel_origin}), mm/page_alloc.c {told}"


def _warnings(run: Run) -> Iterator[str]:
    if not _PAPER_RELEASE.match(run.uname_r):
        yield (
            f"this ran on Linux {run.uname_r} ({run.provenance.origin_told}), not on the paper's "
            f"{PAPER_RELEASE}: its numbers are of another kernel."
        )
    if run.provenance.page_alloc_upstream is False:
        yield (
            "mm/page_alloc.c was changed before the series was applied: the allocator is not "
            f"upstream's (blob {run.provenance.page_alloc_blob[:_BLOB_SHOWN]})."
        )
    elif run.provenance.page_alloc_upstream is None:
        yield (
            "whether mm/page_alloc.c is upstream's own is not known for this release (blob "
            f"{run.provenance.page_alloc_blob[:_BLOB_SHOWN]})."
        )
    if not run.clocksource_is_fine:
        yield (f"the guest's clocksource was {run.clocksource}: latencies are multiples of a tick.")
