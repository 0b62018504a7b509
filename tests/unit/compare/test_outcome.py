# SPDX-License-Identifier: GPL-2.0-only
"""An arm's outcome from what a real guest saved (5.15.180, 1 GiB, 1 page of 8 kept)."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from harness.compare.outcome import (
    STOPPED,
    BackgroundLoad,
    LaterDemand,
    Outcome,
    quantile,
    read_outcome,
)
from harness.compare.results import unpacked
from harness.errors import RecordError
from harness.texts.guest.background import parse_background
from harness.texts.guest.turns import parse_turns

DATA = Path("tests/data/compare")


def saved(name: str) -> dict[str, bytes]:
    return unpacked((DATA / f"{name}.tar.gz").read_bytes(), name)


def test_a_real_arm() -> None:
    stage, found = read_outcome(saved("off"), icount_shift=3)
    assert (found.blocks, found.requests) == (193, 194)
    assert (found.bound.blocks, found.bound.withheld) == (198, 11)
    assert found.work.migrate_scanned == 241_564
    assert found.work.compact_stalls == 356
    assert found.work.oom_kills == 0
    assert found.monitored is not None
    assert found.monitored.adaptive == 0
    assert found.monitored.deferred == 0
    assert found.indicators.frag_pct == 91
    assert found.latency.median < found.latency.p99 <= found.latency.most
    # 8 ns of the guest's clock are one instruction.
    assert stage.records is not None
    assert found.latency.most == max(one.latency_ns for one in stage.records.allocations) // 8


def with_vmstat(change: Callable[[list[str]], list[str]]) -> Outcome:
    """Read the arm of a kernel whose vmstat has other lines."""
    files = saved("off")
    for when in ("before", "after"):
        lines = files[f"{when}/vmstat"].decode().splitlines()
        files[f"{when}/vmstat"] = ("\n".join(change(lines)) + "\n").encode()
    return read_outcome(summed(files), icount_shift=3)[1]


def test_what_a_kernel_does_not_count_is_none_and_not_zero() -> None:
    lacking = ("allocstall_", "oom_kill ", "compact_daemon_wake ", "pgscan_kswapd ", "pgsteal_")
    work = with_vmstat(lambda lines: [x for x in lines if not x.startswith(lacking)]).work

    assert work.reclaim_stalls is work.oom_kills is work.kcompactd_wakes is None
    assert work.kswapd_scanned is work.reclaim_scanned is work.reclaimed is None
    assert (work.kcompactd_scanned, work.migrate_scanned) == (0, 241_564)


def test_reclaim_is_by_whomever_the_kernel_tells_of() -> None:
    """Counters of khugepaged came after 6.1, those of memory.reclaim after 6.12."""
    passed = iter((100, 150))  # as of before and after
    apart = with_vmstat(lambda lines: [f"pgscan_khugepaged {next(passed)}", *lines]).work
    plain = with_vmstat(list).work

    assert plain.reclaim_scanned is not None
    assert apart.reclaim_scanned == plain.reclaim_scanned + 50


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


def inserted(words: list[str], at: int, word: str) -> list[str]:
    return [*words[:at], word, *words[at:]]


def summed(files: dict[str, bytes]) -> dict[str, bytes]:
    """Write the checksums anew."""
    files.pop("sha256sums", None)
    sums = [
        f"{sha256(data).hexdigest()}  {path}" for path, data in files.items() if path != STOPPED
    ]
    files["sha256sums"] = ("\n".join(sums) + "\n").encode()
    return files


def with_last_resort(before: str, after: str) -> dict[str, bytes]:
    """Let the saved guest have a kernel with mode 5: a step more, and a table."""
    files = saved("off")
    for when, text in (("before", before), ("after", after)):
        files[f"{when}/monitor_last_resort"] = text.encode()
        header, *rows = files[f"{when}/monitor_success_by_step"].decode().splitlines()
        at = header.split().index("compact_second") + 1
        table = [" ".join(inserted(header.split(), at, "last_resort"))]
        table += [" ".join(inserted(row.split(), at, "0")) for row in rows]
        files[f"{when}/monitor_success_by_step"] = ("\n".join(table) + "\n").encode()
    return summed(files)


def last_resort(inspected: int) -> str:
    rows = [f"{order} 1 0 2 {inspected + order} 3 1" for order in range(11)]
    return "\n".join(["order tried backed_off ranges inspected scanned made", *rows]) + "\n"


def test_pages_looked_at_are_summed_over_orders() -> None:
    files = with_last_resort(last_resort(100), last_resort(130))
    assert read_outcome(files, icount_shift=3)[1].inspected == 11 * 30
    assert read_outcome(saved("off"), icount_shift=3)[1].inspected is None


def test_a_cut_table_is_no_result() -> None:
    whole = last_resort(2)
    for cut in (whole[:-20], "\n".join(whole.splitlines()[:-1]) + "\n"):
        with pytest.raises(RecordError, match="last_resort"):
            read_outcome(with_last_resort(last_resort(1), cut), icount_shift=3)


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


# 401 requests of seed 1, as a guest of 5.15.180 gave them.
LOAD = """background_load 1
seed=1 attempts=401 held=64 period_us=1000 gfp=noretry
state=done done=401
order=0 attempts=193 failures=0 latency_ns_sum=503680 latency_ns_max=41344
order=1 attempts=68 failures=0 latency_ns_sum=281377 latency_ns_max=26048
order=2 attempts=66 failures=0 latency_ns_sum=240328 latency_ns_max=14112
order=3 attempts=66 failures=2 latency_ns_sum=224424 latency_ns_max=8720
order=5 attempts=8 failures=1 latency_ns_sum=56912 latency_ns_max=8192
end
"""
LATER = "later_demand 1\norder=9 attempts=256 failures=89\nend\n"


def outcome_with(**texts: str) -> Outcome:
    files = saved("off") | {name: text.encode() for name, text in texts.items()}
    return read_outcome(summed(files), icount_shift=3)[1]


def test_a_background_load_and_a_later_demand_are_two_things() -> None:
    assert outcome_with().background_load is None
    assert outcome_with().later_demand is None
    with_load = outcome_with(background_load=LOAD)
    assert with_load.background_load == BackgroundLoad(attempts=401, failures=3)
    assert with_load.later_demand is None
    both = outcome_with(background_load=LOAD, later_small=LOAD, later_demand=LATER)
    assert both.background_load == with_load.background_load
    assert both.later_demand == LaterDemand(small_failures=3, attempts=256, failures=89)


def test_a_line_in_the_output_is_no_background_load() -> None:
    said = saved("off")["output"].decode()
    line = "order=9 attempts=256 failures=89 later\n"
    found = outcome_with(output=line + said)
    assert (found.background_load, found.later_demand) == (None, None)


@pytest.mark.parametrize(
    "texts",
    [
        {"background_load": LOAD.replace("attempts=193", "attempts=192")},
        {"background_load": LOAD.replace("state=done", "state=running")},
        {"background_load": LOAD[:-5]},
        {"later_small": LOAD},
        {"later_demand": LATER},
        {"later_small": LOAD, "later_demand": LATER.replace("89", "257")},
        {"later_small": LOAD, "later_demand": LATER.replace("order=9", "order=11")},
        {"later_small": LOAD, "later_demand": LATER.replace("end\n", "")},
        {"later_small": LOAD, "later_demand": LATER.replace("demand 1", "demand 2")},
    ],
)
def test_other_requests_texts_that_do_not_fit_are_refused(texts: dict[str, str]) -> None:
    with pytest.raises(RecordError, match="background_load|later"):
        outcome_with(**texts)


def test_an_arm_that_was_to_have_a_background_load_has_its_text() -> None:
    command = saved("off")["command"].decode().replace(" 10 ", " --background-load 401 10 ", 1)
    assert outcome_with(command=command, background_load=LOAD).background_load is not None
    with pytest.raises(RecordError, match="background_load: absent"):
        outcome_with(command=command)


TURNS = """turns 1
schedule=3 cpus=2 events=10 order=00ff00ff00ff00ff
cpu=0 events=7 expiries=4
cpu=1 events=3 expiries=5
lasted_ns=4096 turns=3
end
"""
FAULTS = "background 1\nkind=faults pages=2048 rounds=2\nend\n"


def in_turns(option: str, **texts: str) -> Outcome:
    command = saved("off")["command"].decode()
    return outcome_with(command=f"bash turns/in_turns.sh {option} {command}", **texts)


def test_an_arm_in_turns_has_what_it_recorded() -> None:
    found = in_turns("--schedule 3 --background faults", turns=TURNS, background=FAULTS)

    assert found.turns == parse_turns(TURNS)
    assert found.background == parse_background(FAULTS)
    plain = outcome_with()
    assert (plain.turns, plain.background) == (None, None)


def test_an_arm_in_turns_without_its_texts_is_no_result() -> None:
    with pytest.raises(RecordError, match="turns: absent"):
        in_turns("--schedule 3")
    with pytest.raises(RecordError, match="background: absent"):
        in_turns("--background faults", turns=TURNS)
