# SPDX-License-Identifier: GPL-2.0-only
"""A series against the kernel's submit checklist: what each gate found, as one table. Pure.

A row is an entry of Documentation/process/submit-checklist.rst as 7.3 has it, told from others by
words that it has in every kernel. Its cell is what the gates for it found. What no machine can
judge is a row, too, and says so.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """What is known of an entry on one kernel."""

    HELD = "held"
    FAILED = "failed"
    NOT_APPLICABLE = "not_applicable"  # the series has nothing of what it is about
    NOT_JUDGED = "not_judged"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOutcome:
    """What a gate found."""

    gate: str
    state: State
    details: tuple[str, ...]
    cached: bool = False  # taken from the cache, where an earlier review left it


@dataclass(frozen=True, slots=True, kw_only=True)
class LineReview:
    """All gates of one kernel."""

    kernel: str  # as it was asked for
    release: str | None  # None: its source was not reached
    entries: tuple[str, ...]  # of its own checklist
    outcomes: tuple[GateOutcome, ...]
    why_not: str = ""  # it was not reached

    @property
    def name(self) -> str:
        """What it is called."""
        return self.release or self.kernel


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An entry of the checklist, and who judges it."""

    section: str
    topic: str
    words: tuple[str, ...]  # any of these is in such an entry; none: beside the checklist
    gates: tuple[str, ...] = ()
    person: str = ""  # why it is not for a machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A row on one kernel."""

    kernel: str
    state: State
    details: tuple[str, ...]
    cached: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A row on all kernels."""

    section: str
    topic: str
    cells: tuple[Cell, ...]


_CODE = "Review your code"
_KCONFIG = "Review Kconfig changes"
_DOCUMENTS = "Provide documentation"
_TOOLS = "Check your code with tools"
_BUILD = "Build your code"
_TEST = "Test your code"
_BESIDE = "Beside the checklist"
_DEBUG = "a boot with these options is none of this review's"

ROWS = (
    Row(section=_CODE, topic="includes what it uses", words=("#include the file that defines",),
        person="which header is to define what is not written down"),
    Row(section=_CODE, topic="general style", words=("coding-style.rst",), gates=("checkpatch",)),
    Row(section=_CODE, topic="memory barriers explained", words=("All memory barriers",),
        gates=("barriers",)),
    Row(section=_KCONFIG, topic="options default to off", words=("default to off unless",),
        gates=("default-off",)),
    Row(section=_KCONFIG, topic="options have help", words=("have help text",), gates=("help",)),
    Row(section=_KCONFIG, topic="combinations reviewed",
        words=("relevant ``Kconfig`` combinations",),
        person="it asks for brainpower; gate warnings builds some combinations"),
    Row(section=_DOCUMENTS, topic="kernel-doc of global APIs", words=("kernel-doc <kernel_doc>",),
        gates=("kernel-doc",)),
    Row(section=_DOCUMENTS, topic="/proc entries", words=("new ``/proc`` entries",),
        gates=("proc",)),
    Row(section=_DOCUMENTS, topic="boot parameters", words=("new kernel boot parameters",),
        gates=("boot-parameters",)),
    Row(section=_DOCUMENTS, topic="module parameters", words=("new module parameters",),
        gates=("module-parameters",)),
    Row(section=_DOCUMENTS, topic="userspace interfaces", words=("new userspace interfaces",),
        gates=("interfaces",)),
    Row(section=_DOCUMENTS, topic="ioctls", words=("If any ioctl's are added",), gates=("ioctls",)),
    Row(section=_TOOLS, topic="checkpatch", words=("patch style checker",), gates=("checkpatch",)),
    Row(section=_TOOLS, topic="sparse", words=("Check cleanly with sparse",), gates=("sparse",)),
    Row(section=_TOOLS, topic="checkstack", words=("make checkstack",), gates=("stack",)),
    Row(section=_BUILD, topic="option y and n, no warning", words=("``=y``, ``=m``, and ``=n``",),
        gates=("warnings", "identity")),
    Row(section=_BUILD, topic="allnoconfig, allmodconfig", words=("Passes ``allnoconfig``",),
        gates=("all-configs",)),
    Row(section=_BUILD, topic="O=builddir", words=("O=builddir",), gates=("warnings",)),
    Row(section=_BUILD, topic="Documentation builds", words=("Any Documentation/ changes build",),
        person="`make htmldocs` needs Sphinx, which this review does not run"),
    Row(section=_BUILD, topic="other architectures",
        words=("multiple CPU architectures", "ppc64 is a good architecture"), gates=("arch",)),
    Row(section=_BUILD, topic="gcc -W", words=("KCFLAGS=-W",), gates=("extra-warnings",)),
    Row(section=_BUILD, topic="SMP, PROC_FS ... disabled", words=("related ``Kconfig`` symbols",
        "following ``Kconfig`` symbols"), gates=("warnings",)),
    Row(section=_TEST, topic="all debug options at once", words=("``CONFIG_DEBUG_PREEMPT``",),
        person=_DEBUG),
    Row(section=_TEST, topic="run with and without SMP", words=("build- and runtime tested",),
        person="built by gate warnings; run only by `buddylab run` in modes live and repeatable"),
    Row(section=_TEST, topic="lockdep on all paths", words=("all lockdep features",),
        person=_DEBUG),
    Row(section=_TEST, topic="injected failures", words=("slab and page-allocation failures",),
        person="stage torture of `buddylab run` injects them into page allocation alone"),
    Row(section=_TEST, topic="linux-next or -mm", words=("linux-next", "-mm patchset"),
        person="such a tree is under way; judge one with --kernel DIR@COMMIT"),
    Row(section=_BESIDE, topic="applies without fuzz", words=(), gates=("apply",)),
    Row(section=_BESIDE, topic="same code with option off", words=(), gates=("identity",)),
    Row(section=_BESIDE, topic="its own tests hold", words=(), gates=("selftests",)),
    Row(section=_BESIDE, topic="each prefix builds", words=(), gates=("prefixes",)),
)  # fmt: skip

# The worst of several counts.
_WORST = (State.FAILED, State.NOT_JUDGED, State.HELD, State.NOT_APPLICABLE)


def judged(lines: Sequence[LineReview], asked: Sequence[str] = ()) -> tuple[Judged, ...]:
    """Return the rows, those alone that the gates in `asked` judge, if any are named.

    An entry that a kernel's list has and no row knows is a row of its own.
    """
    rows = [row for row in ROWS if not asked or set(row.gates) & set(asked)]
    found = [_judged(row, lines) for row in rows]
    if not asked:
        strange = dict.fromkeys(entry for line in lines for entry in unknown(line.entries))
        found += [_judged(_strange(entry), lines) for entry in strange]
    return tuple(found)


def unknown(entries: Sequence[str]) -> tuple[str, ...]:
    """Return the entries of a checklist that no row is about."""
    words = [word for row in ROWS for word in row.words]
    return tuple(entry for entry in entries if not any(word in entry for word in words))


def _strange(entry: str) -> Row:
    return Row(
        section="New in a kernel's checklist",
        topic=entry[:60],
        words=(entry,),
        person="this version does not know the entry",
    )


def _judged(row: Row, lines: Sequence[LineReview]) -> Judged:
    cells = tuple(_cell(row, line) for line in lines)
    return Judged(section=row.section, topic=row.topic, cells=cells)


def _cell(row: Row, line: LineReview) -> Cell:
    if line.release is None:
        return _bare(line, State.NOT_JUDGED, f"its source was not reached: {line.why_not}")
    if line.entries and row.words and not _is_listed(row, line):
        return _bare(line, State.NOT_APPLICABLE, "not in this kernel's checklist")
    if not row.gates:
        return _bare(line, State.NOT_JUDGED, f"for a person: {row.person}")
    found = [one for one in line.outcomes if one.gate in row.gates]
    absent = set(row.gates) - {one.gate for one in found}
    if not found:
        return _bare(line, State.NOT_JUDGED, f"not asked for (--only): {', '.join(row.gates)}")
    state = min((one.state for one in found), key=_WORST.index)
    if absent and state is not State.FAILED:
        details = (f"not asked for (--only): {', '.join(sorted(absent))}",)
        return Cell(kernel=line.name, state=State.NOT_JUDGED, details=details, cached=False)
    return Cell(
        kernel=line.name,
        state=state,
        details=tuple(detail for one in found if one.state is state for detail in one.details),
        cached=all(one.cached for one in found),
    )


def _is_listed(row: Row, line: LineReview) -> bool:
    return any(word in entry for entry in line.entries for word in row.words)


def _bare(line: LineReview, state: State, why: str) -> Cell:
    return Cell(kernel=line.name, state=state, details=(why,), cached=False)


def holds(rows: Sequence[Judged]) -> bool:
    """Whether nothing failed."""
    return all(cell.state is not State.FAILED for row in rows for cell in row.cells)


def reasons(row: Judged) -> Iterator[tuple[tuple[Cell, ...], tuple[str, ...]]]:
    """Yield what a row's cells say, once for those that say the same."""
    said: dict[tuple[State, tuple[str, ...]], list[Cell]] = {}
    for cell in row.cells:
        said.setdefault((cell.state, cell.details), []).append(cell)
    for (_, details), cells in said.items():
        yield tuple(cells), details
