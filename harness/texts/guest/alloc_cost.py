# SPDX-License-Identifier: GPL-2.0-only
"""What one allocation and its release cost: lines of vm/guest/scripts/run_cost.sh. Pure.

NAME order=0 pairs=200 failed=0 loop_ns=N empty_ns=N
NAME slowpath=N
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from harness.texts.text import damaged, key_values, natural, required, whole_lines

_WHAT = "cost"


@dataclass(frozen=True, slots=True, kw_only=True)
class CostSample:
    """The shortest loop of `pairs` allocations and releases, and the same loop doing nothing."""

    order: int
    pairs: int
    loop_ns: int
    empty_ns: int
    # Slowpath entries of this order while all loops ran; None: a kernel without the monitor.
    slowpath: int | None = None

    def instructions(self, icount_shift: int) -> float:
        """Return guest instructions per pair; the clock advances 2^shift ns with each."""
        return (self.loop_ns - self.empty_ns) / (1 << icount_shift) / self.pairs


def parse_cost(text: str) -> Mapping[str, CostSample]:
    """Return name -> sample; RecordError for another form, or where a request failed."""
    samples: dict[str, CostSample] = {}
    for line in whole_lines(text, _WHAT):
        name, _space, rest = line.partition(" ")
        values = key_values(rest.split(), _WHAT)
        if "slowpath" in values:
            if name not in samples:
                raise damaged(_WHAT, f"the slowpath entries of {name!r} come before its time")
            slowpath = natural(values["slowpath"], _WHAT)
            samples[name] = replace(samples[name], slowpath=slowpath)
            continue
        if natural(required(values, "failed", _WHAT), _WHAT):
            raise damaged(_WHAT, f"requests of {name!r} failed: {values['failed']}")
        samples[name] = CostSample(
            order=natural(required(values, "order", _WHAT), _WHAT),
            pairs=natural(required(values, "pairs", _WHAT), _WHAT),
            loop_ns=natural(required(values, "loop_ns", _WHAT), _WHAT),
            empty_ns=natural(required(values, "empty_ns", _WHAT), _WHAT),
        )
    return samples
