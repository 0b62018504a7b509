# SPDX-License-Identifier: GPL-2.0-only
"""What was predicted is bound to its texts and compared with what came."""

from dataclasses import replace
from hashlib import sha256

import msgspec
import pytest
import synthetic_run

from harness.checks.base import Status
from harness.checks.forecast import CHECKS, predicted_counters
from harness.errors import RecordError
from harness.forecast.forecast import FirstSlowpath, Forecast, Prediction
from harness.forecast.stored import (
    FREE,
    TEXTS,
    StoredPrediction,
    parse_prediction,
    predict_stage,
)
from harness.guest_memory import MemoryLayout
from harness.record.run import RunRecord, Snapshot
from harness.record.saved_run import parse_run
from harness.report.summary import summarise
from harness.stages.boot import RunSettings
from harness.stages.forecast import predictable
from harness.texts.build.rules import Rule
from harness.texts.pages import Order
from harness.values import BurstPlan, RunMode

(CHECK,) = CHECKS
STAGE = "high_order_final"
BURST = BurstPlan(order=10, requests=128, most_held=128, hold_until_fail=True)


def exactly(value: int) -> Forecast:
    return Forecast(low=value, high=value, reason="")


TRUE = Prediction(
    order=Order(10),
    req=exactly(128),
    success=exactly(128),
    fail=exactly(0),
    slowpath=Forecast(low=1, high=79, reason="kswapd"),
    compact=Forecast(low=0, high=158, reason="kswapd"),
    adaptive=Forecast(low=0, high=79, reason="kswapd"),
    frag_pct=Forecast(low=0, high=100, reason="kswapd"),
    first_slowpath=None,
)


def stored(prediction: Prediction = TRUE) -> StoredPrediction:
    texts = synthetic_run.whole_run()[STAGE]
    inputs = {name: sha256(texts[name]).hexdigest() for name in TEXTS}
    return StoredPrediction(
        stage=STAGE,
        burst=BURST,
        prediction=prediction,
        inputs={**inputs, FREE: sha256(b"free").hexdigest()},
    )


def files(prediction: StoredPrediction) -> dict[str, bytes]:
    return {f"{STAGE}.json": msgspec.json.encode(prediction), f"{STAGE}.free": b"free"}


def parsed(predictions: dict[str, bytes] | None) -> RunRecord:
    identity = synthetic_run.identity()
    plan = tuple(
        replace(stage, burst=BURST) if stage.name == STAGE else stage for stage in identity.stages
    )
    identity = replace(identity, stages=plan)
    return parse_run(synthetic_run.whole_run(), identity, predictions=predictions)


def test_a_true_prediction_holds_and_is_in_the_document() -> None:
    run = parsed(files(stored()))

    result = CHECK.result(run)
    assert result.status is Status.HELD
    assert f"{STAGE}: req predicted 128, observed 128" in result.details
    document = summarise(run, (result,)).stage(STAGE)
    assert document is not None
    assert [each.counter for each in document.predicted] == [
        "req", "success", "fail", "slowpath", "compact", "adaptive", "frag_pct", "slow_requests",
    ]  # fmt: skip
    assert all(each.hit for each in document.predicted)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"req": exactly(127)}, "req predicted 127, observed 128"),
        ({"slowpath": exactly(39)}, "slowpath predicted 39, observed 40"),
        (
            {"compact": Forecast(low=41, high=50, reason="why")},
            "compact predicted 41..50 (why), observed 40",
        ),
        ({"frag_pct": exactly(70)}, "frag_pct predicted 70, observed 71"),
        ({"frag_pct": None}, "frag_pct predicted"),
    ],
)
def test_a_miss_fails_and_is_named(change: dict[str, Forecast | None], said: str) -> None:
    run = parsed(files(stored(replace(TRUE, **change))))  # type: ignore[arg-type]

    result = CHECK.result(run)
    assert result.status is Status.FAILED
    assert result.details[0].startswith(f"broken: {STAGE}: {said}")
    assert [each.hit for each in predicted_counters(run.stage(STAGE))].count(False) == 1


def stock(prediction: Prediction = TRUE) -> RunRecord:
    """Return the run of a kernel without the monitor."""
    run = parsed(files(stored(prediction)))

    def bare(snapshot: Snapshot) -> Snapshot:
        return replace(snapshot, monitor=None, details=None)

    stages = tuple(
        replace(stage, before=bare(stage.before), after=bare(stage.after)) for stage in run.stages
    )
    return replace(run, stages=stages)


def test_a_kernel_as_it_is_shows_a_prediction_by_its_events() -> None:
    run = stock()
    predicted = predicted_counters(run.stage(STAGE))

    assert [(each.counter, each.observed) for each in predicted] == [
        ("req", 128), ("success", 128), ("fail", 0), ("compact", 40),
    ]  # fmt: skip
    assert CHECK.result(run).status is Status.HELD
    for change in ({"fail": exactly(1)}, {"compact": exactly(41)}):
        missed = stock(replace(TRUE, **change))  # type: ignore[arg-type]
        assert CHECK.result(missed).status is Status.FAILED


def test_attempts_without_io_have_no_event() -> None:
    stage = stock().stage(STAGE)
    assert stage.records is not None
    noio = replace(stage, records=replace(stage.records, gfp="noio"))
    assert [each.counter for each in predicted_counters(noio)] == ["req", "success", "fail"]


def test_a_slowpath_entry_that_does_not_come_is_a_miss() -> None:
    first = FirstSlowpath(
        index=exactly(50),
        certain=True,
        frag_pct=exactly(71),
        free=None,
        mode=exactly(2),
        compact=exactly(1),
        success=exactly(1),
    )

    result = CHECK.result(parsed(files(stored(replace(TRUE, first_slowpath=first)))))

    # The synthetic records met no decision: the first slow one is past the last, 128.
    assert result.status is Status.FAILED
    assert result.details[0].startswith(
        f"broken: {STAGE}: first_slowpath predicted 50, observed 128"
    )


def test_nothing_predicted_is_not_held() -> None:
    assert CHECK.result(synthetic_run.parsed()).status is Status.NOT_APPLICABLE


def test_a_planned_prediction_must_be_there() -> None:
    for absent in (None, {}, {f"{STAGE}.json": b"{}"}):
        with pytest.raises(RecordError, match="its prediction is absent"):
            parsed(absent)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stage": "other"}, "its prediction is of other"),
        ({"burst": replace(BURST, requests=64)}, "its prediction is of"),
        ({"inputs": {}}, "not made of this run's before/buddyinfo"),
        ({"inputs": {**stored().inputs, "before/zoneinfo": "0" * 64}}, "before/zoneinfo"),
        ({"inputs": {**stored().inputs, "more": "0" * 64}}, "more"),
    ],
)
def test_a_prediction_of_something_else_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(RecordError, match=message):
        parsed(files(replace(stored(), **change)))  # type: ignore[arg-type]


def test_a_damaged_prediction_is_refused() -> None:
    with pytest.raises(RecordError, match="damaged"):
        parse_prediction(STAGE, BURST, b"{", {}, b"")


def test_an_absent_text_is_told() -> None:
    with pytest.raises(RecordError, match="before/buddyinfo did not arrive"):
        predict_stage(STAGE, BURST, {}, b"")


@pytest.mark.parametrize(
    "change",
    [{"mode": RunMode.LIVE}, {"cross_checks": False}, {"layout": MemoryLayout(nodes=2)}],
)
def test_only_a_guest_that_can_be_paused_is_predicted(
    change: dict[str, object],
) -> None:
    settings = RunSettings(mode=RunMode.REPEATABLE, memory_mib=1024, cpus=1, seed=1, scale="small")
    bare = synthetic_run.planned()
    plan = tuple(replace(stage, burst=BURST) for stage in bare)
    assert predictable(plan, settings, frozenset()) == plan
    other = replace(settings, **change)  # type: ignore[arg-type]
    assert predictable(plan, other, frozenset()) == bare
    assert predictable(plan, settings, frozenset({Rule.NOT_KNOWN})) == bare


def test_what_the_model_does_not_know_is_not_judged() -> None:
    run = synthetic_run.parsed()
    provenance = replace(run.provenance, provides=(Rule.NOT_KNOWN.word,), kernel_release="6.18.1")
    result = CHECK.result(replace(run, identity=replace(run.identity, provenance=provenance)))

    assert result.status is Status.NOT_APPLICABLE
    assert result.details == ("the model does not know the rules of Linux 6.18.1",)


def test_memory_that_the_model_does_not_know_is_not_judged() -> None:
    run = synthetic_run.parsed()
    nodes = " -numa node,nodeid=0,memdev=ram0,cpus=0 -numa node,nodeid=1,memdev=ram1"
    key = replace(run.key, machine=run.key.machine + nodes)
    result = CHECK.result(replace(run, identity=replace(run.identity, key=key)))

    assert result.status is Status.NOT_APPLICABLE
    assert result.details == ("the model knows one node of ordinary zones, this guest has 2 nodes",)
