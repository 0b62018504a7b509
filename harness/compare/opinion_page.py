# SPDX-License-Identifier: GPL-2.0-only
"""A second opinion in lines, and its page: live boots alone, no exact figure. Pure."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from harness.compare.by_boot import BOOTS_MAX, CHANCE, POWER
from harness.compare.second_opinion import NAME, Booted, SecondOpinion, Sign, Told, by_arm
from harness.compare.statistics import number, spread
from harness.values import Accelerator
from harness.writers.page import ABSENT, Page, Section, Table
from harness.writers.screen import Fact, Part, Words

_HOW_TO_READ = (
    "The unit is the boot. Live: Hodges and Lehmann's difference between the boots of both arms; "
    f"each end of its interval (Mann and Whitney) is passed with a chance of at most {CHANCE:.0%}, "
    "shared by all signs of its question. A sign holds if the interval lies on its side of 0. It "
    "does not hold if the interval lies on the other side, or within 1 % of the base. Else it "
    "cannot be told. The boots that it would take of each arm are pi/3 * 2 * ((z(1 - chance) + "
    f"z({POWER:.0%})) * s / d)^2 + 2: s is the standard deviation between boots of an arm, d the "
    "exact difference as a share of these boots' base, or where so many boots were had, the "
    "difference that they show. Noise of the kernel's layout is no part of it; the exact A/A "
    "control tells that."
)
_NO_CLOCK = (
    "no latencies, which need KVM: multi-threaded TCG executes the guest, whose clock says nothing "
    "of a machine's."
)
_COUNTED = {
    Sign.HOLDS: "held",
    Sign.DOES_NOT_HOLD: "did not hold",
    Sign.UNTOLD: "could not be told",
}
# Why nothing is asked: whether there are differences of latency.
_NOTHING = {
    False: "nothing differs beyond noise, so there is no sign to hold against live boots",
    True: "all that differs is latency, so there is no sign to hold against these live boots",
}


def opinion_lines(one: SecondOpinion) -> tuple[str, ...]:
    """Say all: one line for each sign, and what is beside it."""
    return (*_head(one), *(f"second opinion: {told_line(each)}" for each in one.told))


def _head(one: SecondOpinion) -> Iterator[str]:
    if not one.told:
        yield f"second opinion: {_NOTHING[bool(one.by_clock)]}"
    else:
        yield f"second opinion, apart from the exact answer: {_ran(one)}"
    if one.by_clock:
        yield f"second opinion: {_NO_CLOCK} Left out: {len(one.by_clock)}."


def _ran(one: SecondOpinion) -> str:
    order = one.order
    failed = f", {len(one.failed)} of {len(one.booted)} failed" if one.failed else ""
    return (
        f"live guests of {order.memory_mib} MiB and {order.cpus} CPUs under {order.accelerator} "
        f"({order.why}), {order.boots} boots of each arm{failed}"
    )


def told_line(one: Told) -> str:
    """Say whether one sign holds."""
    boots = f"{one.boots} boots against {one.against_boots}"
    if one.sign is Sign.UNTOLD:
        live = f" ({live_told(one)})" if one.difference is not None else ""
        return f"{one.ground.told}: CANNOT BE TOLD with {boots}{live}; {needed_told(one)}"
    more = ", which is none of 1 % or more" if one.is_none else ""
    return f"{one.ground.told}: the sign {one.sign.upper()} ({live_told(one)}{more}; {boots})"


def live_told(one: Told) -> str:
    """Say the live difference with its interval."""
    if one.difference is None:
        return ABSENT
    return f"live {one.difference:+,.4g} [{one.low:+,.4g}, {one.high:+,.4g}]"


def needed_told(one: Told) -> str:
    """Say how many boots it would take."""
    if one.boots_needed is None:
        return "no number of boots would tell: these show no difference"
    count = str(one.boots_needed)
    if one.boots_needed > BOOTS_MAX:
        count = f"more than {BOOTS_MAX} (about {one.boots_needed:,})"
    return f"it would take {count} of each arm"


def with_opinion(page: Page, one: SecondOpinion) -> Page:
    """Tell of a second opinion at the end of an exact answer's screen, apart from its figures."""
    if page.screen is None:
        return page
    counts = Counter(each.sign for each in one.told)
    told = ", ".join(f"{counts[sign]} {_COUNTED[sign]}" for sign in Sign if counts[sign])
    fact = Fact(name="Second opinion", value=told or _NOTHING[bool(one.by_clock)])
    whole = opinion_page(one, page.title)
    part = Part(
        title="A second opinion, of live boots",
        shows=f"{whole.lead[0]} All boots are in {NAME}.md.",
        blocks=(
            Words(
                paragraphs=(whole.lead[1], *whole.warnings),
                points=tuple(map(told_line, one.told)),
            ),
        ),
    )
    screen = page.screen
    return replace(
        page,
        screen=replace(screen, facts=(*screen.facts, fact), parts=(*screen.parts, part)),
    )


def opinion_page(one: SecondOpinion, subject: str) -> Page:
    """Return the whole page; `subject` names what the exact answer was about."""
    return Page(
        title=f"Second opinion: {subject}",
        lead=(
            (
                "Of live boots alone, which are not repeatable: none of these figures belongs "
                "beside an exact one."
            ),
            f"{_ran(one)[0].upper()}{_ran(one)[1:]}; QEMU {one.order.qemu_version}.",
        ),
        verdict=" ".join(f"{told_line(each)}." for each in one.told)
        or _NOTHING[bool(one.by_clock)],
        warnings=tuple(_warnings(one)),
        sections=_sections(one) if one.told else (),
    )


def _sections(one: SecondOpinion) -> tuple[Section, ...]:
    return (
        Section(title="Signs", shows=_HOW_TO_READ, tables=(_signs(one),)),
        Section(title="Boots of each arm", tables=(_arms(one),)),
        Section(title="All boots, in the order in which they ran", tables=(_boots(one),)),
    )


def _warnings(one: SecondOpinion) -> Iterator[str]:
    if one.order.accelerator is not Accelerator.KVM:
        yield f"{_NO_CLOCK[0].upper()}{_NO_CLOCK[1:]}"
    for each in one.failed:
        yield f"boot {each.item.number} failed: {each.failure}"
    if broken := [each for each in one.booted if each.broken]:
        yield (
            f"{len(broken)} of {len(one.booted)} boots had memory that was not as the exact "
            f"comparison's must be, such as {broken[0].broken[0]}; they are included"
        )
    if one.others:
        yield f"{one.others} more differences of the exact answer were not asked about"


def _signs(one: SecondOpinion) -> Table:
    return Table(
        head=("asked", "boots", "live difference", "sign", "boots it would take"),
        rows=tuple(
            (
                each.ground.told,
                f"{each.boots} and {each.against_boots}",
                live_told(each).removeprefix("live "),
                each.sign,
                needed_told(each) if each.sign is Sign.UNTOLD else ABSENT,
            )
            for each in one.told
        ),
    )


def _arms(one: SecondOpinion) -> Table:
    measures = tuple(dict.fromkeys(each.ground.measure for each in one.told))
    rows = []
    for name, boots in by_arm(one.booted).items():
        whole = [each.values for each in boots if each.values is not None]
        figures = (
            [values[measure] for values in whole if measure in values] for measure in measures
        )
        told = (str(spread(found)) if found else ABSENT for found in figures)
        rows.append((" ".join(name), f"{len(whole)} of {len(boots)}", *told))
    return Table(
        head=("arm", "boots", *measures),
        rows=tuple(rows),
        notes=("median [least, most] over the boots",),
    )


def _boots(one: SecondOpinion) -> Table:
    measures = tuple(dict.fromkeys(each.ground.measure for each in one.told))

    def row(each: Booted) -> tuple[str, ...]:
        item, values = each.item, each.values or {}
        return (
            *(str(item.number), f"{item.state} {item.burst} {item.arm}", str(item.seed)),
            *(number(values[one]) if one in values else ABSENT for one in measures),
            f"{each.took_s:.0f}",
            f"{each.load:.1f}",
        )

    return Table(
        head=("boot", "arm", "seed", *measures, "seconds", "host's load"),
        rows=tuple(row(each) for each in one.booted),
    )
