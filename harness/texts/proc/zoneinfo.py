# SPDX-License-Identifier: GPL-2.0-only
"""/proc/zoneinfo: watermarks, sizes and per-CPU page sets of each zone.

mm/vmstat.c zoneinfo_show_print. 6.1 adds `boost` after `pages free`, 6.12 `promo` after the
watermarks, 7.3 `high_min` and `high_max` of a page set and two lines at the end; which counters
are listed depends on the configuration, so unknown lines are passed over and the ones used are
required. A node prints every zone it could have, so the length of `protection`
(zone->lowmem_reserve) tells how many must follow: a missing tail cannot go unnoticed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from harness.texts.pages import PageCount
from harness.texts.text import damaged, natural, shown, whole_lines

_WHAT = "zoneinfo"
_ZONE_LINE = re.compile(r"Node ([0-9]+), zone +(\S+)")
_VALUE_LINE = re.compile(r" +(?:pages )?([a-z_0-9]+) +([0-9]+)")
_PROTECTION_LINE = re.compile(r" +protection: \(([0-9, ]+)\)")
_PAGESET_LINE = re.compile(r" +(cpu|count|high|batch|vm stats threshold): +([0-9]+)")
# What a zone with pages ends with: 7.3 says more after start_pfn, of each of them.
_LAST_LINE = re.compile(r" +(start_pfn|free_highatomic): +[0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSet:
    """One CPU's list of free pages of a zone (struct per_cpu_pages), in pages."""

    cpu: int
    count: PageCount
    high: PageCount
    batch: PageCount
    # Most by which this CPU's share of a zone counter may lag; None: not an SMP kernel.
    vm_stats_threshold: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """One zone, in pages; `nr_free_pages` is None and `pagesets` empty if it has no pages."""

    node: int
    name: str
    free: PageCount
    min: PageCount
    low: PageCount
    high: PageCount
    spanned: PageCount
    present: PageCount
    managed: PageCount
    protection: tuple[PageCount, ...]
    nr_free_pages: PageCount | None
    pagesets: tuple[PageSet, ...]

    @property
    def counter_drift(self) -> PageCount:
        """Most by which nr_free_pages may differ from the truth: CPUs times their threshold."""
        return PageCount(sum(pageset.vm_stats_threshold or 0 for pageset in self.pagesets))


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneInfo:
    """All zones of all nodes, populated or not."""

    zones: tuple[Zone, ...]

    @property
    def populated(self) -> tuple[Zone, ...]:
        """The zones that have pages: those of /proc/buddyinfo."""
        return tuple(zone for zone in self.zones if zone.nr_free_pages is not None)

    @property
    def cpus(self) -> int:
        """CPUs online, by their page sets."""
        return len({pageset.cpu for zone in self.zones for pageset in zone.pagesets})


def parse_zoneinfo(text: str) -> ZoneInfo:
    """Parse the whole file; RecordError if a zone or a needed value is absent or said twice."""
    zones: dict[tuple[int, str], Zone] = {}
    ends: set[str] = set()
    for node, name, lines in _stanzas(whole_lines(text, _WHAT)):
        if (node, name) in zones:
            raise damaged(_WHAT, f"node {node} zone {shown(name)} is given twice")
        zones[node, name] = _parse_zone(node, name, lines)
        if zones[node, name].nr_free_pages is not None and (end := _LAST_LINE.fullmatch(lines[-1])):
            ends.add(end[1])
    if len(ends) > 1:
        raise damaged(_WHAT, f"cut short, its zones end with {' and '.join(sorted(ends))}")
    for node in {node for node, _name in zones}:
        of_node = [zone for zone in zones.values() if zone.node == node]
        if any(len(zone.protection) != len(of_node) for zone in of_node):
            raise damaged(_WHAT, f"cut short, node {node} shows {len(of_node)} zones")
    info = ZoneInfo(zones=tuple(zones.values()))
    if not info.populated:
        raise damaged(_WHAT, "no zone has pages")
    return info


def _stanzas(lines: list[str]) -> Iterator[tuple[int, str, list[str]]]:
    node, name, body = -1, "", list[str]()
    for line in lines:
        match = _ZONE_LINE.fullmatch(line)
        if match is None:
            body.append(line)
            continue
        if name:
            yield node, name, body
        elif body:
            raise damaged(_WHAT, f"{shown(body[0])} stands before the first zone")
        node, name, body = natural(match[1], _WHAT), match[2], []
    if not name:
        raise damaged(_WHAT, "no zone line")
    yield node, name, body


def _parse_zone(node: int, name: str, lines: list[str]) -> Zone:
    what = f"{_WHAT} node {node} zone {shown(name)}"
    values = _values(lines, what)

    def pages(key: str) -> PageCount:
        if key not in values:
            raise damaged(what, f"{key} is absent")
        return PageCount(values[key])

    populated = pages("present") > 0
    if populated and not _LAST_LINE.fullmatch(lines[-1]):
        raise damaged(what, "cut short, it does not end with start_pfn")
    pagesets = tuple(_pagesets(lines, what))
    if populated != bool(pagesets):
        raise damaged(what, f"{values['present']} pages present but {len(pagesets)} page sets")
    return Zone(
        node=node,
        name=name,
        free=pages("free"),
        min=pages("min"),
        low=pages("low"),
        high=pages("high"),
        spanned=pages("spanned"),
        present=pages("present"),
        managed=pages("managed"),
        protection=_protection(lines, what),
        nr_free_pages=pages("nr_free_pages") if populated else None,
        pagesets=pagesets,
    )


def _values(lines: list[str], what: str) -> dict[str, int]:
    values: dict[str, int] = {}
    for line in lines:
        match = _VALUE_LINE.fullmatch(line)
        if match is None:
            continue
        if match[1] in values:
            raise damaged(what, f"{match[1]} is given twice")
        values[match[1]] = natural(match[2], what)
    return values


def _protection(lines: list[str], what: str) -> tuple[PageCount, ...]:
    found = [match for line in lines if (match := _PROTECTION_LINE.fullmatch(line))]
    if len(found) != 1:
        raise damaged(what, f"{len(found)} protection lines where one belongs")
    return tuple(PageCount(natural(word.strip(), what)) for word in found[0][1].split(","))


def _pagesets(lines: list[str], what: str) -> Iterator[PageSet]:
    current: dict[str, int] = {}
    for line in lines:
        match = _PAGESET_LINE.fullmatch(line)
        if match is None:
            continue
        if match[1] == "cpu" and current:
            yield _pageset(current, what)
            current = {}
        if match[1] in current:
            raise damaged(what, f"{match[1]} of a page set is given twice")
        current[match[1]] = natural(match[2], what)
    if current:
        yield _pageset(current, what)


def _pageset(values: dict[str, int], what: str) -> PageSet:
    absent = [key for key in ("cpu", "count", "high", "batch") if key not in values]
    if absent:
        raise damaged(what, f"a page set lacks {absent[0]}")
    return PageSet(
        cpu=values["cpu"],
        count=PageCount(values["count"]),
        high=PageCount(values["high"]),
        batch=PageCount(values["batch"]),
        vm_stats_threshold=values.get("vm stats threshold"),
    )
