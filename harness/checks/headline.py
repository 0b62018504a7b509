# SPDX-License-Identifier: GPL-2.0-only
"""The paper's headline on this run: a burst that memory could not serve, and was served.

req, slowpath, compact and adaptive of the burst's order need not be equal; where they
differ the numbers bound by how much each reason can account for it:

- req - slowpath: requests that a free block served at once;
- slowpath - compact: at least so many entries ended before a compaction, because the look
  at the min watermark gave a page or compaction was not allowed;
- slowpath - adaptive: entries in which no raised priority was used: they ended before a
  compaction, or frag_pct was at or below the threshold, or the request forbade it;
- compact - adaptive: second attempts, or attempts at or below the threshold.

In modes last and clear adaptive counts the requests for which something was done at the end of
the ladder, so that a burst which the ladder serves has none.

In mm/page_alloc.c __alloc_pages_slowpath the look at the min watermark comes before the
first compaction, and a request may compact more than once.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from harness.checks.base import Check, Comparison, NotApplicable, unmonitored
from harness.checks.policy import stage_policy
from harness.errors import RecordError
from harness.record.run import RunRecord, StageRecord
from harness.texts.metrics import frag_pct
from harness.texts.pages import Order
from harness.texts.proc.sysctl import PolicyMode

HEADLINE_STAGE = "high_order_final"
PAPER_SCALE = "paper"
# "Well above 0": the gap between the low and the min watermark alone can send 2 to 4
# order-10 requests of a 4 GiB guest into the slowpath without any fragmentation, so twice
# that is asked for; the gap of a 1 GiB guest is a quarter as wide, 1 to 2 blocks.
FLOOR_PAPER = 8
FLOOR_SMALL = 4
_RAISING = {PolicyMode.LATE, PolicyMode.EARLY, PolicyMode.LIGHT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """The burst in numbers (what the counters of its order rose by), and why they differ."""

    order: Order
    requests: int
    attempted: int
    succeeded: int
    available_before: int  # blocks of the order that could be handed out at once
    frag_pct_before: int  # per cent, from buddyinfo with the policy's cutoff
    req: int
    success: int
    fail: int
    slowpath: int
    compact: int
    adaptive: int
    rescued_before_compaction_min: int
    rescued_before_compaction_max: int
    not_raised: int  # slowpath - adaptive
    unraised_attempts: int  # compact - adaptive
    sentences: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether slowpath, compact and adaptive are equal."""
        return self.slowpath == self.compact == self.adaptive


def explain_headline(stage: StageRecord) -> Headline:
    """Return the headline of a stage; RecordError without module records or monitor."""
    if stage.records is None:
        raise RecordError(f"{stage.name}: the module's records are absent; repeat the run")
    records = stage.records
    delta = stage.deltas[records.order]
    policies = stage_policy(stage)
    cutoff = Order(3) if policies is None else policies[0].cutoff
    compacted_max = min(delta.compact, delta.slowpath)
    compacted_min = min(max(delta.adaptive, min(delta.compact, 1)), compacted_max)
    headline = Headline(
        order=records.order,
        requests=records.requests,
        attempted=records.attempted,
        succeeded=records.succeeded,
        available_before=stage.before.buddyinfo.available(records.order),
        frag_pct_before=frag_pct(stage.before.buddyinfo.zones, cutoff),
        req=delta.req,
        success=delta.success,
        fail=delta.fail,
        slowpath=delta.slowpath,
        compact=delta.compact,
        adaptive=delta.adaptive,
        rescued_before_compaction_min=delta.slowpath - compacted_max,
        rescued_before_compaction_max=delta.slowpath - compacted_min,
        not_raised=delta.slowpath - delta.adaptive,
        unraised_attempts=delta.compact - delta.adaptive,
        sentences=(),
    )
    return _with_sentences(headline, policies[0].mode if policies else None)


def _with_sentences(headline: Headline, mode: PolicyMode | None) -> Headline:
    at_the_end = mode is not None and mode.at_the_end
    differences = _differences_at_the_end if at_the_end else _differences
    sentences = (*_opening(headline), *differences(headline), *_mode_sentence(mode))
    return replace(headline, sentences=sentences)


def _opening(headline: Headline) -> Iterator[str]:
    yield (
        f"{headline.attempted} of {headline.requests} requests of order {headline.order} were made "
        f"and {headline.succeeded} succeeded. Before the burst {headline.available_before} blocks "
        f"of that order were free, and {headline.frag_pct_before} % of free memory was in small "
        "blocks."
    )
    if headline.req != headline.attempted:
        yield (
            f"The kernel counted {headline.req} requests of this order, "
            f"{headline.req - headline.attempted} of them from other code."
        )
    yield (
        f"{headline.req - headline.slowpath} requests were served by the fast path; "
        f"{headline.slowpath} entered the slowpath."
    )


def _differences(headline: Headline) -> Iterator[str]:
    if headline.agrees:
        yield (
            f"slowpath, compact and adaptive agree at {headline.slowpath}: every request that "
            "entered the slowpath compacted once, with raised priority."
            if headline.slowpath
            else "slowpath, compact and adaptive are all 0: no compaction was needed."
        )
        return
    yield from _rescued(headline)
    if headline.not_raised > 0:
        yield (
            f"{headline.not_raised} slowpath entries used no raised priority (slowpath "
            f"{headline.slowpath} - adaptive {headline.adaptive}): they ended before a compaction, "
            "frag_pct was not above the threshold, or the request does not allow the policy."
        )
    if headline.unraised_attempts > 0:
        yield (
            f"{headline.unraised_attempts} compaction attempts are not a request's first raised "
            f"one (compact {headline.compact} - adaptive {headline.adaptive}): second attempts of "
            "a request, or attempts with frag_pct not above the threshold."
        )
    yield from _broken(headline)


def _differences_at_the_end(headline: Headline) -> Iterator[str]:
    yield from _rescued(headline)
    if headline.not_raised > 0:
        yield (
            f"For {headline.not_raised} slowpath entries the policy did nothing at the end of the "
            f"retry ladder (slowpath {headline.slowpath} - adaptive {headline.adaptive}): they "
            "were served before, no zone could be tried, or the request does not allow the policy."
        )
    yield from _broken(headline)


def _rescued(headline: Headline) -> Iterator[str]:
    least, most = headline.rescued_before_compaction_min, headline.rescued_before_compaction_max
    if most > 0:
        between = str(least) if least == most else f"{least} to {most}"
        yield (
            f"{between} slowpath entries ended without a compaction: a block was free above the "
            "min watermark, or the request was not allowed to compact."
        )


def _broken(headline: Headline) -> Iterator[str]:
    if min(headline.not_raised, headline.unraised_attempts) < 0:
        yield "adaptive is above slowpath or compact, which the checks report as broken."


def _mode_sentence(mode: PolicyMode | None) -> Iterator[str]:
    if mode is PolicyMode.OFF:
        yield "The policy was off, so adaptive stays 0 by design."
    elif mode is PolicyMode.LATE:
        yield (
            "The policy was late: it raises only a request's second compaction, so compact is "
            "about twice slowpath, and adaptive counts only requests that reached the second."
        )
    elif mode is PolicyMode.LIGHT:
        yield (
            "The policy was light: it raises only a request's first compaction, to the priority "
            "of the second, and compaction is deferred as usual."
        )
    elif mode is PolicyMode.LAST:
        yield (
            "The policy was last: adaptive counts requests that would have failed and made one "
            "additional compaction, at full priority."
        )
    elif mode is PolicyMode.CLEAR:
        yield (
            "The policy was clear: adaptive counts requests that would have failed and for which "
            "ranges of movable pages were emptied, which is not a compaction attempt."
        )
    elif mode is None:
        yield "This kernel has no policy."


def _headline_holds(run: RunRecord) -> NotApplicable | Iterable[Comparison]:
    absent = unmonitored(run)
    if absent:
        return absent
    if HEADLINE_STAGE not in [stage.name for stage in run.stages]:
        return NotApplicable(f"this run has no stage {HEADLINE_STAGE}")
    stage = run.stage(HEADLINE_STAGE)
    floor = FLOOR_PAPER if run.scale == PAPER_SCALE else FLOOR_SMALL
    return _compare(stage, explain_headline(stage), floor)


def _compare(stage: StageRecord, headline: Headline, floor: int) -> Iterator[Comparison]:
    yield Comparison(
        holds=headline.succeeded == headline.attempted == headline.requests,
        text=f"{headline.succeeded} of {headline.requests} requests of order {headline.order} "
        f"succeeded, {headline.attempted} were made",
    )
    yield Comparison(
        holds=headline.available_before < headline.requests,
        text=f"{headline.available_before} blocks were there at first for {headline.requests} "
        "requests: the burst must be impossible then",
    )
    compared = {"slowpath": headline.slowpath, "compact": headline.compact}
    policies = stage_policy(stage)
    # Modes that act at the end have nothing to do where the ladder serves all.
    if policies is not None and all(policy.mode in _RAISING for policy in policies):
        compared["adaptive"] = headline.adaptive
    for name, value in compared.items():
        yield Comparison(holds=value >= floor, text=f"{name} rose by {value}, at least {floor}")
    yield Comparison(
        holds=headline.adaptive <= min(headline.compact, headline.slowpath)
        and headline.slowpath <= headline.req,
        text=f"adaptive {headline.adaptive}, compact {headline.compact}, slowpath "
        f"{headline.slowpath}, req {headline.req}; fail {headline.fail}",
    )


RANK = 140
CHECKS = (
    Check(
        name="headline-burst-is-served-by-compaction",
        why="the last burst finds too few free blocks, and every request is still served",
        judge=_headline_holds,
    ),
)
