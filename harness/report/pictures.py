# SPDX-License-Identifier: GPL-2.0-only
"""Free memory by the order of its blocks, before and after each stage, as pictures. Pure."""

from collections.abc import Iterator, Sequence

from harness.report.document import Run, RunStage, StageSnapshot
from harness.texts.pages import ORDERS, PAGES_PER_MIB
from harness.writers.picture import Label, Picture, Scale, Stroke, box, brief, line, listed

_WIDTH, _BOTTOM, _HEIGHT = 340, 96, 122
_LEFT, _TOP = 36, 8
_STILL_SHARE = 0.02


def free_pictures(run: Run) -> tuple[tuple[Picture, ...], tuple[Picture, ...]]:
    """Return pictures of stages that moved free memory, and of those that did not, to one scale."""
    most = max(
        (max(_mib(snapshot)) for stage in run.stages for snapshot in _both(stage)), default=1
    )
    up = Scale(0, most or 1, _BOTTOM, _TOP)
    moved, still = (
        tuple(_picture(stage, up) for stage in run.stages if _is_moved(stage) == wanted)
        for wanted in (True, False)
    )
    return moved, still


def _is_moved(stage: RunStage) -> bool:
    """Whether over 2 % of free memory came to blocks of another order, or was taken or freed."""
    before, after = (_mib(snapshot) for snapshot in _both(stage))
    changes = [now - then for then, now in zip(before, after, strict=True)]
    # What came to another order is missing at its own: it is counted once.
    rose = sum(change for change in changes if change > 0)
    moved = max(rose, rose - sum(changes))
    return moved > _STILL_SHARE * sum(before)


def _both(stage: RunStage) -> tuple[StageSnapshot, StageSnapshot]:
    return stage.before, stage.after


def _mib(snapshot: StageSnapshot) -> tuple[float, ...]:
    """Return MiB of free memory by the order of the block that it is in, all zones together."""
    return tuple(
        sum(area.blocks[order] for area in snapshot.free) * (1 << order) / PAGES_PER_MIB
        for order in ORDERS
    )


def _picture(stage: RunStage, up: Scale) -> Picture:
    before, after = (_mib(snapshot) for snapshot in _both(stage))
    level = "".join(line((_LEFT - 4, up.at(at)), (_WIDTH, up.at(at))) for at in up.ticks(4))
    return Picture(
        title=f"{stage.name}: {sum(before):,.0f} to {sum(after):,.0f} MiB free, "
        f"frag_pct {stage.before.frag_pct} to {stage.after.frag_pct}",
        shows="Free MiB by order, before to after. "
        + listed(
            [f"order {order}" for order in ORDERS],
            [f"{one:,.1f} to {other:,.1f}" for one, other in zip(before, after, strict=True)],
        ),
        width=_WIDTH,
        height=_HEIGHT,
        strokes=(
            Stroke(path=level, look="axis"),
            Stroke(path=_bars(before, up, 0.0), look="fill-before"),
            Stroke(path=_bars(after, up, 0.5), look="fill-after"),
        ),
        labels=tuple(_labels(up)),
    )


def _bars(values: Sequence[float], up: Scale, offset: float) -> str:
    width = (_WIDTH - _LEFT) / len(values)
    bars = []
    for at, value in enumerate(values):
        if not value:
            continue
        left = _LEFT + width * (at + 0.1 + 0.8 * offset)
        # What is there is seen, however little it is.
        top = min(up.at(value), _BOTTOM - 1)
        bars.append(box(left, top, left + 0.4 * width, _BOTTOM))
    return "".join(bars)


def _labels(up: Scale) -> Iterator[Label]:
    for at in up.ticks(4):
        yield Label(x=_LEFT - 6, y=up.at(at) + 4, text=brief(at), anchor="end", look="soft")
    width = (_WIDTH - _LEFT) / len(ORDERS)
    for order in ORDERS:
        x = _LEFT + width * (order + 0.5)
        yield Label(x=x, y=_BOTTOM + 13, text=str(order), anchor="middle", look="soft")
