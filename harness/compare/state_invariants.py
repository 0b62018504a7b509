# SPDX-License-Identifier: GPL-2.0-only
"""Whether memory was as its state must be, from what the preparing guest saved."""

from collections.abc import Mapping
from dataclasses import dataclass

from harness.compare.plan import Group, Variant
from harness.compare.states import Quantity, broken, check_state
from harness.compare.zones_seen import CMA, MOVABLE
from harness.errors import RecordError
from harness.texts.guest.state_report import parse_state_report
from harness.texts.proc.buddyinfo import parse_buddyinfo
from harness.texts.proc.pagetypeinfo import PageTypeInfo, parse_pagetypeinfo
from harness.texts.proc.vmstat import parse_vmstat
from harness.texts.proc.zoneinfo import ZoneInfo, parse_zoneinfo
from harness.texts.text import damaged

# Who prepares by this script reports what must hold; other commands report nothing.
MAKER = "make_state.sh"
_SHOWN_QUANTITIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class StateResult:
    """One boot's state held to its invariants."""

    state: str
    seed: int
    variant: Variant
    quantities: tuple[Quantity, ...] | None  # None: nothing was expected
    # Why nothing could be; empty also in results of before schema 14.
    not_judged: str = ""

    @property
    def title(self) -> str:
        """Name the boot, as Group.title does."""
        return f"{self.state} seed {self.seed} {self.variant}"

    @property
    def broken(self) -> tuple[Quantity, ...]:
        """The quantities that are not as expected."""
        return broken(self.quantities or ())


def state_result(group: Group, files: Mapping[str, bytes]) -> StateResult:
    """Check what a preparing guest saved; RecordError if its report cannot be read."""
    try:
        quantities, not_judged = _quantities(group, files)
    except RecordError as error:
        raise RecordError(f"{group.title}: {error}") from error
    return StateResult(
        state=group.state.name,
        seed=group.seed,
        variant=group.variant,
        quantities=quantities,
        not_judged=not_judged,
    )


def broken_invariant(result: StateResult) -> RecordError | None:
    """Say what of a boot is not as expected; None where all is."""
    if not result.broken:
        return None
    said = "; ".join(str(one) for one in result.broken[:_SHOWN_QUANTITIES])
    return RecordError(
        f"{result.title}: the memory is not what its state must be ({said}); its arms are kept "
        "and marked, see vm/guest/scripts/make_state.sh and harness/compare/states.py"
    )


def _quantities(
    group: Group, files: Mapping[str, bytes]
) -> tuple[tuple[Quantity, ...] | None, str]:
    """Return what was expected and seen; or nothing, and why, if it was made by make_state.sh."""
    if MAKER not in group.state.command:
        return None, ""
    report = parse_state_report(_text(files, "output"))
    types = parse_pagetypeinfo(_text(files, "after/pagetypeinfo"))
    zones = parse_zoneinfo(_text(files, "after/zoneinfo"))
    if report.pins and (place := _kept_from_pins(types, zones)):
        return None, f"what is free in {place} is not told apart from what the pins left"
    quantities = check_state(
        report,
        parse_buddyinfo(_text(files, "after/buddyinfo")),
        types,
        zones,
        parse_vmstat(_text(files, "after/vmstat")),
    )
    return quantities, ""


def _kept_from_pins(types: PageTypeInfo, zones: ZoneInfo) -> str:
    """Name where kmod/unmovable_comb.c gets no page, for pages that cannot move have none there."""
    if any(zone.name == MOVABLE for zone in zones.populated):
        return f"zone {MOVABLE}"
    area = any(dict(one.counts).get(CMA) for one in types.pageblocks)
    return "the area of contiguous memory" if area else ""


def _text(files: Mapping[str, bytes], path: str) -> str:
    if path not in files:
        raise damaged(path, "absent")
    return files[path].decode("utf-8", errors="replace")
