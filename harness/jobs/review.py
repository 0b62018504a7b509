# SPDX-License-Identifier: GPL-2.0-only
"""review: the series, looked at as a kernel reviewer would, gate by gate, on each kernel line."""

import inspect
import logging
import shutil
import time
from collections.abc import Sequence
from functools import cache as once

from harness.digest import sha256_text
from harness.errors import HarnessError, HostError, StageError, UserError
from harness.host.cache import Cache
from harness.host.command import CommandFailedError, require, run
from harness.host.deadline import Deadline
from harness.host.series import Series, lines, series_for
from harness.jobs import review_builds, review_compiled, review_documents, review_gates, reviewed
from harness.jobs.review_compiled import CROSS
from harness.jobs.review_gates import BOOTING, GATES, PROGRAMS
from harness.jobs.reviewed import Findings, Gate, Reviewed, not_judged
from harness.report.checklist import GateOutcome, LineReview, State
from harness.stages.apply import steps_of
from harness.stages.build import compiler_id
from harness.stages.configure import fragment_for
from harness.stages.fetch import fetch
from harness.texts.build import additions, checklist, diff, objects, review_log
from harness.values import BASE_FLAVOUR, Counters, KernelSource

logger = logging.getLogger("review")

VERSION_LIMIT_S = 20.0
# What a gate's answer is made by: of another text, none is taken from the cache.
_RECIPE = (
    *(review_builds, review_compiled, review_documents, review_gates, reviewed),
    *(additions, diff, objects, review_log),
)
# What gates start that is asked for its version, beside compiler and linker.
_TOOLS = ("perl", "patch", "sparse", *(f"{prefix}gcc" for prefix in CROSS.values()))


def review_lines(
    kernels: Sequence[str],
    cache: Cache,
    *,
    only: Sequence[str] = (),
    boots: bool = False,
    fresh: bool = False,
) -> tuple[LineReview, ...]:
    """Put the series for each kernel through all gates, or those in `only`.

    Without a kernel, those of all lines: one whose source is out of reach is told as such, unless
    it was named. All sources are brought before the first gate. Raises what `fetch` does.
    """
    require_gates(only)
    asked = kernels or tuple(
        line.kernel for line in lines() if line.series and line.kernel is not None
    )
    found: list[KernelSource | HarnessError] = []
    for kernel in asked:
        try:
            found.append(fetch(kernel, cache))
        except HarnessError as error:
            if kernels:
                raise
            logger.warning("%s is not reached: %s", kernel, error)
            found.append(error)
    if not any(isinstance(one, KernelSource) for one in found):
        raise HostError(f"none of {', '.join(asked)} is reached; name a source with --kernel PATH")
    return tuple(
        _review_line(kernel, one, cache, only=only, boots=boots, fresh=fresh)
        for kernel, one in zip(asked, found, strict=True)
    )


def _review_line(
    kernel: str,
    source: KernelSource | HarnessError,
    cache: Cache,
    *,
    only: Sequence[str],
    boots: bool,
    fresh: bool,
) -> LineReview:
    if isinstance(source, HarnessError):
        why = str(source).splitlines()[0]
        return LineReview(kernel=kernel, release=None, entries=(), outcomes=(), why_not=why)
    logger.info("%s (%s)", source.release, kernel)
    file = source.tree / checklist.PLACE
    text = file.read_text(errors="replace") if file.is_file() else ""
    return LineReview(
        kernel=kernel,
        release=source.release,
        entries=checklist.entries(text),
        outcomes=review(source, cache, only=only, boots=boots, fresh=fresh),
    )


def review(
    source: KernelSource,
    cache: Cache,
    *,
    only: Sequence[str] = (),
    boots: bool = False,
    fresh: bool = False,
    series: Series | None = None,
) -> tuple[GateOutcome, ...]:
    """Put the series for `source` through all gates, or those in `only`.

    What the series does wrong fails its gate; only what the host lacks is raised. An answer is
    taken from the cache, unless `fresh`, if nothing that it was made of has changed.
    """
    chosen = require_gates(only)
    under = Reviewed(
        source=source,
        series=series or series_for(source),
        cache=cache,
        basis=sha256_text(_recipe(), compiler_id(), *map(_version, _TOOLS)),
        boots=boots,
        fresh=fresh,
    )
    return tuple(_outcome(name, GATES[name], under) for name in chosen)


def require_gates(only: Sequence[str]) -> tuple[str, ...]:
    """Return the gates in `only`, or all; UserError for a strange one, HostError for a program."""
    if unknown := sorted({*only} - GATES.keys()):
        raise UserError(f"no gate is named {', '.join(unknown)}; there are {', '.join(GATES)}")
    chosen = tuple(name for name in GATES if not only or name in only)
    for name in chosen:
        if program := PROGRAMS.get(name):
            require(program)
    return chosen


def _outcome(name: str, gate: Gate, under: Reviewed) -> GateOutcome:
    started_s = time.monotonic()
    try:
        asked = _fingerprint(name, under)
        known = under.recall(asked, Findings)
        if known is None:
            logger.info("%s ...", name)
            found = gate(under)
            under.remember(asked, found)
        else:
            found = known
    except HostError:
        raise
    except CommandFailedError as error:
        late = error.late_after_s is not None  # this machine's doing, not the series'
        found = not_judged(str(error)) if late else Findings((str(error),))
        known = None
    except HarnessError as error:
        # Not kept: it may be this machine's (a deadline, memory).
        found, known = Findings((str(error),)), None
    state = State.FAILED if found.wrong else found.state
    how = "from the cache" if known else f"{time.monotonic() - started_s:.0f} s"
    logger.info("%s %s (%s)", name, state.replace("_", " "), how)
    return GateOutcome(
        gate=name, state=state, details=(*found.wrong, *found.notes), cached=known is not None
    )


def _fingerprint(name: str, under: Reviewed) -> str:
    """Digest what a gate's answer depends on: tree, options, mails, tools, and how it is found.

    StageError if the series has no place in the source.
    """
    mails = (part for step in steps_of(under.series, None) for part in step.digests)
    # A boot depends on guest and QEMU, too: it keeps answers of its own, for each prefix.
    tree = under.tree()
    boots = f"{under.boots} {time.time_ns() if under.boots and name in BOOTING else ''}"
    return sha256_text(
        *("review", name, boots, tree.key, under.tree("0").key, under.basis),
        str(under.source.page_alloc_upstream),
        fragment_for(tree, BASE_FLAVOUR, Counters.PERCPU),
        *mails,
    )


@once
def _recipe() -> str:
    return sha256_text(*(inspect.getsource(module) for module in _RECIPE))


@once
def _version(program: str) -> str:
    """Return what a program says of itself; StageError if it does not answer in time."""
    if shutil.which(program) is None:
        return f"no {program}"
    deadline = Deadline.after(VERSION_LIMIT_S, f"{program} --version")
    lines_said = run([program, "--version"], deadline=deadline, ok=None).output.split("\n")
    said = next((line for line in lines_said if line.strip()), "")
    if not said:
        raise StageError("review", f"{program} --version says nothing")
    return said
