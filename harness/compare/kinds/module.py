# SPDX-License-Identifier: GPL-2.0-only
"""module: requests of the kernel's own, by kmod/high_order_test.c."""

from collections.abc import Mapping

from harness.compare.kinds.base import Asked, Kind, Requests
from harness.record.run import StageRecord
from harness.texts.pages import MAX_ORDER
from harness.texts.text import damaged


def _words(asked: Asked) -> str:
    until_fail = int(asked.hold_until_fail)
    return f"{asked.order} {asked.requests} {until_fail} {asked.gfp} {asked.memory_mib}"


def _read(stage: StageRecord, files: Mapping[str, bytes]) -> Requests:
    records = stage.records
    if records is None:
        raise damaged("records", f"absent among {len(files)} files")
    return Requests(
        order=records.order,
        attempted=records.attempted,
        succeeded=records.succeeded,
        latencies_ns=tuple(one.latency_ns for one in records.allocations),
        huge_pages=None,
        got=tuple(one.succeeded for one in records.allocations),
        # run_arm.sh lets the module hold as many as it asks for: none is given back before.
        pfns=tuple(one.pfn for one in records.allocations if one.succeeded),
    )


KIND = Kind(orders=range(MAX_ORDER), words=_words, read=_read, takes_gfp=True)
