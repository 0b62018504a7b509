# SPDX-License-Identifier: GPL-2.0-only
"""Predict while the guest stands still: from what it says of its memory to RUN/predictions/."""

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.encoding import encode
from harness.errors import RecordError
from harness.forecast.stored import FREE, predict_stage
from harness.host import status_channel
from harness.host.deadline import Deadline
from harness.host.files import atomic_write
from harness.host.freeze import FreezePipe
from harness.host.results import members_below
from harness.stages.boot import RESULTS, RunSettings
from harness.texts.build.rules import Rule
from harness.values import PREDICTIONS, RunMode, StagePlan

logger = logging.getLogger("run")

# In host seconds at reference speed: the guest sends its state right after it said so.
_PAUSE_LIMIT_S = 15.0


def predictable(
    plan: tuple[StagePlan, ...], settings: RunSettings, rules: frozenset[Rule]
) -> tuple[StagePlan, ...]:
    """Leave out predictions where nothing can be looked at while it stands still.

    A live guest goes on while the host reads, and without the cross-check nothing says exactly
    which blocks are free. Nor can they be made of rules that are not known, nor where there is more
    than one node of ordinary zones: the model (harness/model/load.py) has no other.
    """
    if Rule.NOT_KNOWN in rules or not settings.layout.is_plain:
        return tuple(replace(stage, burst=None) for stage in plan)
    if settings.mode is RunMode.REPEATABLE and settings.cross_checks:
        return plan
    return tuple(replace(stage, burst=None) for stage in plan)


class Oracle:
    """Answers each paused stage with a prediction, then lets the guest go on."""

    def __init__(
        self,
        plan: Sequence[StagePlan],
        folder: Path,
        pipe: FreezePipe,
        slowdown: float,
        *,
        rules: frozenset[Rule],
    ) -> None:
        self._bursts = {stage.name: stage.burst for stage in plan if stage.burst is not None}
        self._folder = folder
        self._pipe = pipe
        self._slowdown = slowdown
        self._rules = rules

    def note(self, event: status_channel.Event) -> None:
        """Predict if the guest says that a stage is ready for it."""
        if isinstance(event, status_channel.StagePredict):
            self._predict(event.name)

    def _predict(self, stage: str) -> None:
        burst = self._bursts.pop(stage, None)
        if burst is None:
            raise RecordError(
                f"the guest wants stage {stage!r} predicted, which the plan does not, or not a "
                "second time; rebuild the guest image"
            )
        deadline = Deadline.after(_PAUSE_LIMIT_S * self._slowdown, f"the pause of {stage}")
        free = self._pipe.read_text(deadline)
        started_s = time.monotonic()
        with (self._folder / RESULTS).open("rb") as stream:
            texts = members_below(stream, f"{stage}/before")
        stored = predict_stage(stage, burst, texts, free, rules=self._rules)
        atomic_write(self._folder / PREDICTIONS / f"{stage}.{FREE}", free)
        atomic_write(self._folder / PREDICTIONS / f"{stage}.json", encode(stored))
        logger.debug("stage %s predicted in %.3f s", stage, time.monotonic() - started_s)
        self._pipe.release(Deadline.after(_PAUSE_LIMIT_S * self._slowdown, f"{stage} to go on"))
