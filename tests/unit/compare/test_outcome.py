"""An arm's outcome from what a real guest saved (5.15.180, 1 GiB, 1 page of 8 kept)."""

from pathlib import Path

import pytest

from harness.compare.outcome import STOPPED, quantile, read_outcome
from harness.compare.results import unpacked
from harness.errors import RecordError

DATA = Path("tests/data/compare")


def saved(name: str) -> dict[str, bytes]:
    return unpacked((DATA / f"{name}.tar.gz").read_bytes(), name)


def test_a_real_arm() -> None:
    stage, found = read_outcome(saved("off"), icount_shift=3)
    assert (found.blocks, found.requests) == (193, 194)
    assert (found.ideal.blocks, found.ideal.withheld) == (198, 11)
    assert found.work.migrate_scanned == 241_564
    assert found.work.compact_stalls == 356
    assert found.work.oom_kills == 0
    assert found.monitored is not None
    assert found.monitored.adaptive == 0
    assert found.latency.median < found.latency.p99 <= found.latency.most
    # 8 ns of the guest's clock are one instruction.
    assert stage.records is not None
    assert found.latency.most == max(one.latency_ns for one in stage.records.allocations) // 8


def test_the_policy_shows_in_the_other_arm() -> None:
    off, early = (read_outcome(saved(name), icount_shift=3)[1] for name in ("off", "early-full"))
    assert early.monitored is not None
    assert early.monitored.adaptive > 0
    assert early.blocks == 193
    assert early.work.migrate_scanned > 10 * off.work.migrate_scanned


def test_arms_begin_with_the_same_memory() -> None:
    off, early = saved("off"), saved("early-full")
    before = [path for path in off if path.startswith("before/")]
    assert len(before) > 15
    assert off[STOPPED] == early[STOPPED]
    assert [path for path in before if off[path] != early[path]] == []


@pytest.mark.parametrize("path", ["stopped_free", "records", "after/vmstat", "output"])
def test_an_absent_text_is_no_result(path: str) -> None:
    files = saved("off")
    del files[path]
    with pytest.raises(RecordError, match=path.rsplit("/", maxsplit=1)[-1]):
        read_outcome(files, icount_shift=3)


def test_an_altered_text_is_no_result() -> None:
    files = saved("off")
    files["records"] = files["records"].replace(b"ok=1", b"ok=0", 1)
    with pytest.raises(RecordError, match="records"):
        read_outcome(files, icount_shift=3)


def test_quantiles_are_values_that_occurred() -> None:
    values = list(range(1, 101))
    assert [quantile(values, share) for share in (0.5, 0.95, 0.99)] == [50, 95, 99]
    assert quantile([7], 0.99) == 7
