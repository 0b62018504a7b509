# SPDX-License-Identifier: GPL-2.0-only
"""reallocate: LLFree's fragmentation experiment, foretold by the model before the guest runs it.

A guest boots and stops; the model foretells from its free memory what kmod/reallocate.c will
count; then the guest goes on from there and counts.
"""

import logging
from dataclasses import dataclass

from harness.errors import RecordError
from harness.forecast.stored import state_of
from harness.host.accelerator import AcceleratorChoice
from harness.host.cache import Cache
from harness.jobs.arm import Lab
from harness.jobs.guests import QEMU, Guests
from harness.model.reallocate import Churn, foretell
from harness.stages.boot import RunSettings
from harness.stages.boot_files import BootFiles
from harness.texts.build.rules import Rule
from harness.texts.guest.reallocate import Reallocation, Row, parse_reallocate
from harness.values import RunMode, StagePlan

logger = logging.getLogger("reallocate")

_STATE = "state"
_ARM = "arm"
_SAVED = "reallocate"
_DEADLINE_S = 900
# What bash, insmod and the kernel's own threads take and free between the stop and the first page,
# how much of what waits on a CPU's lists is of another kind, and how long those lists are: since
# 6.7 the kernel tunes them. Together up to a tenth of the free huge frames.
MARGIN = 0.1
# Rounds that a reader is shown, beside the last.
_SHOWN = (0, 1, 10, 50)


@dataclass(frozen=True, slots=True, kw_only=True)
class Churned:
    """What was foretold and what came, row by row."""

    foretold: tuple[Row, ...]
    counted: Reallocation

    @property
    def misses(self) -> tuple[int, ...]:
        """Rounds in which the free huge frames are not what was foretold."""
        return tuple(
            number
            for number, (said, came) in enumerate(
                zip(self.foretold, self.counted.rows, strict=True)
            )
            if abs(said.huge - came.huge) > MARGIN * said.huge
        )

    def __str__(self) -> str:
        """Print as a table, and what it says."""
        rows = self.counted.rows
        shown = [number for number in _SHOWN if number < len(rows) - 1] + [len(rows) - 1]
        lines = ["round  foretold  counted  possible   share"]
        lines += [
            f"{number:>5}  {self.foretold[number].huge:>8}  {rows[number].huge:>7}  "
            f"{rows[number].possible:>8}  {rows[number].share:>6.1%}"
            for number in shown
        ]
        missed = len(self.misses)
        said = f"{missed} of {len(rows)} rounds differ by more than {MARGIN:.0%}"
        return "\n".join([*lines, f"free huge frames: {'as foretold' if not missed else said}"])


def reallocate(
    what: BootFiles,
    churn: Churn,
    cache: Cache,
    *,
    memory_mib: int,
    rules: frozenset[Rule] = frozenset(),
    guests: Guests = QEMU,
) -> Churned:
    """Boot, foretell by the kernel's `rules`, run.

    RecordError where the guest's texts are damaged.
    """
    settings = RunSettings(
        mode=RunMode.REPEATABLE,
        memory_mib=memory_mib,
        cpus=1,
        seed=churn.seed,
        scale=_SAVED,
        accelerator=AcceleratorChoice.TCG,
    )
    speed = guests.speed(what, settings, cache)
    lab = Lab(what=what, settings=settings, speed=speed, check_stop=lambda: None)
    with (
        cache.building(_SAVED) as scratch,
        guests.prepared(lab, _stage(_STATE, "true"), scratch) as ready,
    ):
        state = state_of(_STATE, ready.files, ready.dump, rules=rules, moment="after")
        foretold = tuple(foretell(state, churn))
        logger.info("foretold %d rounds: %d huge frames", churn.rounds, foretold[-1].huge)
        files = guests.run_arm(ready, _stage(_ARM, _command(churn)), scratch / _ARM)
    status = files.get("exit_status", b"").decode(errors="replace").strip()
    if status != "0" or _SAVED not in files:
        said = files.get("output", b"").decode(errors="replace").strip().splitlines()[-1:]
        raise RecordError(
            f"the experiment ended with exit {status or 'unknown'} ({' '.join(said)}); "
            "give the guest more memory, or fill a smaller share"
        )
    return Churned(foretold=foretold, counted=parse_reallocate(files[_SAVED].decode()))


def _command(churn: Churn) -> str:
    return (
        f"bash scripts/run_reallocate.sh {churn.fill_permille} {churn.percent} "
        f"{churn.rounds} {churn.seed}"
    )


def _stage(name: str, command: str) -> StagePlan:
    return StagePlan(
        name=name, command=command, prepare="", cleanup="", deadline_s=_DEADLINE_S, note=""
    )
