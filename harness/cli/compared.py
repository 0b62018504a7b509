# SPDX-License-Identifier: GPL-2.0-only
"""What the verbs that report on a comparison say."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from harness.cli.answer import say
from harness.cli.opinion import OpinionAnswer, opinion_told
from harness.compare.judged_claims import Fate, Found, judged_claims
from harness.compare.page import report_text
from harness.compare.results import Results
from harness.host.pages import REPORT_HTML


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimAnswer:
    """What became of a claim in one state and burst, and the numbers that it rests on."""

    says: str
    state: str
    burst: str
    fate: Fate
    found: Found | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareAnswer:
    """How much has run, and what became of the plan's claims; the folder has all numbers."""

    plan: str
    folder: Path
    report: Path
    states: int
    broken_states: int  # memory was not what the plan says; their arms are marked
    arms: int
    claims: tuple[ClaimAnswer, ...]
    second_opinion: OpinionAnswer | None = None  # None: none was asked for


def say_results(
    arguments: argparse.Namespace,
    folder: Path,
    results: Results,
    opinion: OpinionAnswer | None = None,
) -> None:
    """Print all tables of a comparison, or what it comes to as JSON; a second opinion after it."""
    answer = CompareAnswer(
        plan=results.plan.name,
        folder=folder,
        report=folder / REPORT_HTML,
        states=len(results.states),
        broken_states=sum(bool(state.broken) for state in results.states),
        arms=len(results.arms),
        claims=tuple(
            ClaimAnswer(
                says=one.claim.says,
                state=one.cell.state,
                burst=one.cell.burst,
                fate=one.fate,
                found=one.found,
            )
            for one in judged_claims(results)
        ),
        second_opinion=opinion,
    )
    say(arguments, answer, "\n".join([report_text(results), *opinion_told(opinion)]))
