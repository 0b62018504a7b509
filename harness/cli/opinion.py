# SPDX-License-Identifier: GPL-2.0-only
"""--second-opinion: what decides held against live guests, and what is said of it."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.options import Switch, positive

if TYPE_CHECKING:
    from harness.compare.deciding import Ground
    from harness.compare.plan import Plan, Variant
    from harness.compare.second_opinion import SecondOpinion
    from harness.host.cache import Cache
    from harness.values import GuestImage, KernelBuild


def add_opinion_options(parser: argparse.ArgumentParser) -> None:
    """Declare them; the number is harness.compare.second_opinion.BOOTS where none is given."""
    parser.add_argument("--second-opinion", action=Switch, help="boot live guests for what decides")
    parser.add_argument(
        "--boots", type=positive, metavar="N", help="of each arm for it (default: 5)"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SignAnswer:
    """Whether one sign of the exact answer holds in live guests."""

    asked: str  # the sign and its place, in words
    state: str
    burst: str
    arm: str
    against: str
    measure: str
    sign: str  # holds, does not hold, cannot be told
    boots: int  # of the arm, with a result
    against_boots: int
    difference: float | None  # live; None: too few boots
    low: float | None
    high: float | None
    boots_needed: (
        int | None
    )  # of each arm, where it cannot be told; None: no number, or none needed
    told: str  # all of it in one line


@dataclass(frozen=True, slots=True, kw_only=True)
class OpinionAnswer:
    """What live boots say; no figure of it belongs beside one of the exact answer."""

    file: Path  # with each boot
    page: Path
    accelerator: str
    cpus: int
    boots: int  # of each arm
    failed: int  # of all boots
    signs: tuple[SignAnswer, ...]
    not_asked: int  # differences of latency, where there is no real accelerator
    lines: tuple[str, ...]


def require_possible(arguments: argparse.Namespace, plan: "Plan") -> None:
    """Refuse before anything is built what a second opinion cannot be had of."""
    from harness.compare.by_boot import BOOTS_MAX
    from harness.errors import UserError
    from harness.jobs.second_opinion import require_host

    if not arguments.second_opinion:
        return
    if (arguments.boots or 1) > BOOTS_MAX:
        raise UserError(
            f"--boots {arguments.boots} is more than {BOOTS_MAX} of each arm; give fewer"
        )
    if not arguments.dry_run:
        require_host(plan)


def second_opinion_of(
    arguments: argparse.Namespace,
    plan: "Plan",
    folder: Path,
    grounds: tuple["Ground", ...],
    kernels: Mapping["Variant", tuple["KernelBuild", "GuestImage"]],
    *,
    subject: str,
    cache: "Cache",
) -> OpinionAnswer | None:
    """Boot what was not booted before; None where no second opinion is asked for."""
    from harness.compare.second_opinion import BOOTS
    from harness.jobs.saved_report import tell_opinion
    from harness.jobs.second_opinion import asking, second_opinion

    if not arguments.second_opinion:
        return None
    it = asking(plan, folder, grounds, kernels, arguments.boots or BOOTS)
    opinion = second_opinion(it, subject, cache)
    tell_opinion(folder)
    return opinion_answer(opinion, folder)


def opinion_answer(opinion: "SecondOpinion", folder: Path) -> OpinionAnswer:
    """Return what is said of a second opinion."""
    from harness.compare.opinion_page import opinion_lines, told_line
    from harness.compare.second_opinion import NAME, OPINION_JSON

    order = opinion.order
    return OpinionAnswer(
        file=folder / OPINION_JSON,
        page=folder / f"{NAME}.md",
        accelerator=order.accelerator,
        cpus=order.cpus,
        boots=order.boots,
        failed=len(opinion.failed),
        signs=tuple(
            SignAnswer(
                asked=one.ground.told,
                state=one.ground.state,
                burst=one.ground.burst,
                arm=one.ground.arm,
                against=one.ground.against,
                measure=one.ground.measure,
                sign=one.sign,
                boots=one.boots,
                against_boots=one.against_boots,
                difference=one.difference,
                low=one.low,
                high=one.high,
                boots_needed=one.boots_needed,
                told=told_line(one),
            )
            for one in opinion.told
        ),
        not_asked=len(opinion.by_clock),
        lines=opinion_lines(opinion),
    )


def opinion_told(answer: OpinionAnswer | None) -> list[str]:
    """Return it in lines; none where none was asked for."""
    return [] if answer is None else [*answer.lines, f"second opinion: all boots: {answer.page}"]
