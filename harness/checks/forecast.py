# SPDX-License-Identifier: GPL-2.0-only
"""What was predicted of a stage came true."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness.checks.any_kernel import instants
from harness.checks.base import Check, Comparison, NotApplicable
from harness.errors import RecordError
from harness.forecast.forecast import Forecast, Prediction
from harness.items import COUNTERS
from harness.record.run import RunRecord, Snapshot, StageRecord
from harness.texts.build.rules import Rule, rules_in
from harness.texts.pages import Order
from harness.texts.proc.buddy_monitor import MonitorRow

FRAG_PCT = "frag_pct"


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictedCounter:
    """One counter of a predicted stage's order: what was said, and what it rose by.

    Of frag_pct it is the value afterwards.
    """

    counter: str
    forecast: Forecast
    observed: int

    @property
    def hit(self) -> bool:
        """Whether it came true."""
        return self.forecast.admits(self.observed)

    @property
    def said(self) -> str:
        """The forecast in words."""
        low, high = self.forecast.low, self.forecast.high
        return str(low) if self.forecast.exact else f"{low}..{high}"


def predicted_counters(stage: StageRecord) -> tuple[PredictedCounter, ...]:
    """Return each counter of a predicted stage that its kernel shows.

    RecordError where the cross-checks are absent, without which nothing is predicted.
    """
    if stage.prediction is None:
        return ()
    said = stage.prediction.prediction
    if stage.before.monitor is None or stage.after.monitor is None:
        return tuple(_by_events(stage, said))
    return tuple(_by_monitor(stage, said))


def _by_monitor(stage: StageRecord, said: Prediction) -> Iterator[PredictedCounter]:
    before, after = (_row(snapshot, said.order) for snapshot in stage.snapshots)
    for name in COUNTERS:
        yield PredictedCounter(
            counter=name,
            forecast=said.counter(name),
            observed=after.counter(name) - before.counter(name),
        )
    unchanged = Forecast(low=before.frag_pct, high=before.frag_pct, reason="")
    yield PredictedCounter(
        counter=FRAG_PCT, forecast=said.frag_pct or unchanged, observed=after.frag_pct
    )
    yield from _first_slowpath(stage, said)


def _by_events(stage: StageRecord, said: Prediction) -> Iterator[PredictedCounter]:
    """Compare what the kernel's own trace events show: nothing of slowpath, policy and frag_pct.

    An attempt at compaction without __GFP_IO has no event.
    """
    order = said.order
    before, after = instants(stage)
    rises = {
        "req": after.requests(order) - before.requests(order),
        "success": after.allocated[order] - before.allocated[order],
        "fail": after.refused[order] - before.refused[order],
    }
    if stage.records is None or stage.records.gfp != "noio":
        rises["compact"] = after.calls(order) - before.calls(order)
    for name, observed in rises.items():
        yield PredictedCounter(counter=name, forecast=said.counter(name), observed=observed)


def _first_slowpath(stage: StageRecord, said: Prediction) -> Iterator[PredictedCounter]:
    """Compare which request of the burst first met a decision of the policy, and its frag_pct.

    That decision is made in the slowpath, before anything else there changes memory. Nothing is
    said of it where this kernel has none, or a class of requests meets none (mode is None).
    """
    records = stage.records
    if records is None or not records.decision_probe:
        return
    met = [(i, each) for i, each in enumerate(records.allocations) if each.decided]
    first = said.first_slowpath
    if first is None:
        none = Forecast(low=0, high=0, reason="")
        yield PredictedCounter(counter="slow_requests", forecast=none, observed=len(met))
    elif first.mode is not None and (met or first.certain):
        index, record = met[0] if met else (records.attempted, None)
        yield PredictedCounter(counter="first_slowpath", forecast=first.index, observed=index)
        if record is not None and first.frag_pct is not None:
            yield PredictedCounter(
                counter="first_frag_pct", forecast=first.frag_pct, observed=record.frag_pct
            )


def _row(snapshot: Snapshot, order: Order) -> MonitorRow:
    if snapshot.monitor is None:
        raise RecordError(f"{snapshot.label}: buddy_monitor is absent; repeat the run")
    return snapshot.monitor.rows[order]


def _predictions_hold(run: RunRecord) -> NotApplicable | Iterable[Comparison]:
    if Rule.NOT_KNOWN in rules_in(run.provenance.provides):
        return NotApplicable(
            f"the model does not know the rules of Linux {run.provenance.kernel_release}"
        )
    if not run.key.layout.is_plain:
        return NotApplicable(
            f"the model knows one node of ordinary zones, this guest has {run.key.layout}"
        )
    if all(stage.prediction is None for stage in run.stages):
        return NotApplicable(
            "no stage was predicted: that needs a repeatable run with the cross-check"
        )
    return _comparisons(run)


def _comparisons(run: RunRecord) -> Iterator[Comparison]:
    for stage in run.stages:
        for each in predicted_counters(stage):
            why = f" ({each.forecast.reason})" if each.forecast.reason else ""
            yield Comparison(
                holds=each.hit,
                text=f"{stage.name}: {each.counter} predicted {each.said}{why}, "
                f"observed {each.observed}",
            )


RANK = 120
CHECKS = (
    Check(
        name="prediction-holds",
        why="the free lists before a burst determine what its requests do",
        judge=_predictions_hold,
    ),
)
