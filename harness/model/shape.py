# SPDX-License-Identifier: GPL-2.0-only
"""What does not change while a zone lives, and the numbers of migratetypes (5.15)."""

from dataclasses import dataclass

UNMOVABLE, MOVABLE, RECLAIMABLE, HIGHATOMIC = range(4)
MIGRATE_TYPES = 4
PCP_TYPES = 3  # MIGRATE_PCPTYPES: the types a watermark check looks at

# mm/page_alloc.c fallbacks[]
FALLBACKS = (
    (RECLAIMABLE, MOVABLE),
    (RECLAIMABLE, UNMOVABLE),
    (UNMOVABLE, MOVABLE),
    (),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermarks:
    """struct zone _watermark, without boost, and lowmem_reserve by highest zone index."""

    min: int
    low: int
    high: int
    reserve: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneShape:
    """What does not change while a zone lives."""

    name: str
    index: int  # enum zone_type
    start_pfn: int
    end_pfn: int  # first page behind the zone
    pageblock_order: int
    managed: int
    marks: Watermarks
    boost_factor: int = 0  # vm.watermark_boost_factor
    claims: bool = False  # harness.texts.build.rules.Rule.FALLBACK_CLAIMS


def mult_frac(value: int, numerator: int, denominator: int) -> int:
    """include/linux/math.h mult_frac: value * numerator / denominator, rounded down."""
    return value // denominator * numerator + value % denominator * numerator // denominator
