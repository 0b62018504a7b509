"""review: the series, looked at as a kernel reviewer would. One gate, one word, one function."""

import contextlib
import logging
import shutil
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError, HostError, StageError, UserError
from harness.host.accelerator import AcceleratorChoice
from harness.host.command import CommandFailedError, require, run
from harness.host.deadline import Deadline
from harness.host.make import Slot, slot_for
from harness.kernel.build_log import first_error
from harness.kernel.kconfig import dropped, parse_config
from harness.kernel.objects import differences
from harness.kernel.review_log import (
    Complaint,
    complaints,
    displaced_hunks,
    new_complaints,
    style_complaints,
)
from harness.kernel.series import Patch
from harness.stages import boot
from harness.stages.build import build, compiler_id
from harness.stages.configure import BASE_FLAVOUR, MONITOR_OPTION, configure, fragment_for
from harness.stages.guest import guest
from harness.stages.patch import patch, read_series, series_directory
from harness.values import Counters, KernelSource, PatchedTree, RunMode
from harness.workspace import Cache

logger = logging.getLogger("review")

MAKE_LIMIT_S = 1800.0
TOOL_LIMIT_S = 120.0
PAGE_ALLOC = "mm/page_alloc.o"

# checkpatch's kinds of complaint that stay, and why.
EXPECTED_STYLE = {
    "FILE_PATH_CHANGES": "new files of a series that is kept here have no entry in MAINTAINERS",
}

_OFF = f"# {MONITOR_OPTION} is not set\n"
_BOOT_SETTINGS = boot.RunSettings(
    mode=RunMode.LIVE,
    memory_mib=512,
    cpus=2,
    seed=1,
    scale="small",
    accelerator=AcceleratorChoice.TCG,
)
_WIDTH = 100
_INDENT = 20
_DETAILS_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """A kernel configuration to compile the touched objects in."""

    name: str
    base: str  # make target
    fragment: tuple[str, ...] = ()  # on top of it; each line is checked to survive
    counters: Counters = Counters.PERCPU  # with the series; the default of its choice


DEFCONFIG = Configuration(name="defconfig", base="defconfig")
CONFIGURATIONS = (
    DEFCONFIG,
    Configuration(name="atomic", base="defconfig", counters=Counters.ATOMIC),
    Configuration(name="allnoconfig", base="allnoconfig"),
    Configuration(name="smp-n", base="defconfig", fragment=("# CONFIG_SMP is not set",)),
    Configuration(
        name="compaction-n",
        base="defconfig",
        fragment=(
            "# CONFIG_TRANSPARENT_HUGEPAGE is not set",
            "# CONFIG_COMPACTION is not set",
        ),
    ),
    Configuration(
        name="proc-fs-n",
        base="defconfig",
        fragment=("CONFIG_EXPERT=y", "# CONFIG_PROC_FS is not set"),
    ),
    Configuration(
        name="debug-fs-n",
        base="defconfig",
        fragment=("# CONFIG_BLK_DEV_IO_TRACE is not set", "# CONFIG_DEBUG_FS is not set"),
    ),
    # With what else changes the allocator's paths: memcg, injected failures, owners, lockdep.
    Configuration(
        name="numa-y",
        base="defconfig",
        fragment=(
            "CONFIG_NUMA=y",
            "CONFIG_MEMCG=y",
            "CONFIG_COMPACTION=y",
            "CONFIG_DEBUG_KERNEL=y",
            "CONFIG_DEBUG_FS=y",
            "CONFIG_DEBUG_VM=y",
            "CONFIG_PROVE_LOCKING=y",
            "CONFIG_PAGE_OWNER=y",
            "CONFIG_FAULT_INJECTION=y",
            "CONFIG_FAIL_PAGE_ALLOC=y",
            "CONFIG_FAULT_INJECTION_DEBUG_FS=y",
        ),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a gate found."""

    gate: str
    held: bool
    details: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The series under review and the source it is for."""

    source: KernelSource
    directory: Path
    patches: tuple[Patch, ...]
    cache: Cache
    boots: bool = False  # build each prefix whole and boot it

    def tree(self, upto: str | None = None) -> PatchedTree:
        """Return the source with the series, or a prefix of it, applied."""
        return patch(self.source, self.cache, upto=upto, directory=self.directory)

    @property
    def touched(self) -> frozenset[str]:
        """The files that the series adds or changes."""
        return frozenset(name for item in self.patches for name in item.touched)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A gate's answer: what is wrong, and what else is worth saying."""

    wrong: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


Gate = Callable[[Series], Verdict]


def review(
    source: KernelSource,
    cache: Cache,
    *,
    only: Sequence[str] = (),
    boots: bool = False,
    directory: Path | None = None,
) -> tuple[Outcome, ...]:
    """Put the series for `source` through all gates, or those in `only`.

    What the series does wrong fails its gate; only what the host lacks is raised.
    """
    if unknown := sorted({*only} - GATES.keys()):
        raise UserError(f"no gate is named {', '.join(unknown)}; there are {', '.join(GATES)}")
    directory = directory or series_directory(source)
    series = Series(
        source=source,
        directory=directory,
        patches=read_series(directory),
        cache=cache,
        boots=boots,
    )
    chosen = [name for name in GATES if not only or name in only]
    return tuple(_outcome(name, GATES[name], series) for name in chosen)


def table(outcomes: Sequence[Outcome]) -> str:
    """Return what the gates found, a line for each and its details; ends with a newline."""
    lines = [f"{'gate':<12}result"]
    for outcome in outcomes:
        shown = outcome.details[:_DETAILS_SHOWN]
        if len(outcome.details) > len(shown):
            shown += (f"and {len(outcome.details) - len(shown)} more",)
        head = f"{outcome.gate:<12}{'held' if outcome.held else 'FAILED':<8}"
        for detail in shown or ("",):
            lines += textwrap.wrap(
                head + detail,
                width=_WIDTH,
                subsequent_indent=" " * (_INDENT + 2),
                break_on_hyphens=False,
            )
            head = " " * _INDENT
    return "".join(f"{line.rstrip()}\n" for line in lines)


def checkpatch(series: Series) -> Verdict:
    """Let the kernel's own style checker find nothing but what is expected."""
    require("perl")
    script = series.source.tree / "scripts/checkpatch.pl"
    wrong, notes = [], [f"{len(series.patches)} patches, --strict"]
    for item in series.patches:
        argv = ["perl", str(script), f"--root={series.source.tree}"]
        argv += ["--strict", "--no-signoff", "--terse", "--show-types"]
        argv.append(str(series.directory / item.name))
        done = run(argv, deadline=_tool_deadline("checkpatch"), ok=None)
        found = style_complaints(done.output)
        if done.returncode and not found:
            wrong.append(f"{item.name}: checkpatch ended with {done.returncode}: {done.output}")
        for complaint in found:
            if reason := EXPECTED_STYLE.get(complaint.kind):
                notes.append(f"{item.name}: {complaint} (expected: {reason})")
            else:
                wrong.append(f"{item.name}: {complaint}")
    return Verdict(tuple(wrong), tuple(notes))


def apply(series: Series) -> Verdict:
    """Let GNU patch take the series: no fuzz, and on upstream's own file no offset."""
    require("patch")
    wrong, displaced = [], []
    with series.cache.building("review-apply") as scratch:
        for name in series.touched:
            if (series.source.tree / name).exists():
                (scratch / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(series.source.tree / name, scratch / name)
        for item in series.patches:
            argv = ["patch", "--batch", "--forward", "--strip=1", "--fuzz=0"]
            argv.append(f"--input={series.directory.absolute() / item.name}")
            done = run(argv, cwd=scratch, deadline=_tool_deadline("patch"), ok=None)
            displaced += [f"{item.name}: {hunk}" for hunk in displaced_hunks(done.output)]
            if done.returncode:
                tail = " / ".join(done.output.strip().splitlines()[-3:])
                wrong.append(f"{item.name} does not apply: {tail}")
                break
    note = f"{len(series.patches)} patches with --fuzz=0, {len(displaced)} hunks displaced"
    if series.source.page_alloc_upstream:
        return Verdict((*wrong, *displaced), (note,))
    whose = "not known to be" if series.source.page_alloc_upstream is None else "not"
    return Verdict(tuple(wrong), (f"{note}; mm/page_alloc.c is {whose} upstream's own", *displaced))


def identity(series: Series) -> Verdict:
    """Compare mm/page_alloc.o, with the option off, to that without the series: the same code."""
    before = page_alloc_object(series.tree("0"), series.cache)
    after = page_alloc_object(series.tree(), series.cache)
    return Verdict(
        differences(before, after),
        (f"{PAGE_ALLOC} with {MONITOR_OPTION}=n: {len(before)} bytes, compared by sections",),
    )


def page_alloc_object(tree: PatchedTree, cache: Cache) -> bytes:
    """Compile mm/page_alloc.c of `tree` as the guest has it, but with the option off.

    All trees of one kernel line are compiled in one slot, so that paths are equal.
    """
    text = fragment_for(tree, BASE_FLAVOUR, Counters.NONE)
    with _turned_slot(tree, "identity", cache) as slot:
        logger.info("identity: %s with %s", PAGE_ALLOC, _called(tree))
        configure(slot, text + _OFF, log_path=_fresh_log(slot, "configure"))
        _make(slot, [PAGE_ALLOC])
        return (slot.objects / PAGE_ALLOC).read_bytes()


def warnings(series: Series) -> Verdict:
    """Compile the touched objects in every configuration, without a new warning."""
    wrong: list[str] = []
    for configuration in CONFIGURATIONS:
        found = _added_complaints(series, configuration, ["W=1"], gate="warnings")
        wrong += [f"{configuration.name}: {complaint}" for complaint in found]
    names = ", ".join(item.name for item in CONFIGURATIONS)
    return Verdict(tuple(wrong), (f"{_objects_of(series)} with W=1 under {names}",))


def sparse(series: Series) -> Verdict:
    """Let sparse find nothing in the touched objects that was not there before."""
    require("sparse")
    found = _added_complaints(series, DEFCONFIG, ["C=2"], gate="sparse")
    return Verdict(
        tuple(map(str, found)), (f"{_objects_of(series)} with C=2 under {DEFCONFIG.name}",)
    )


def prefixes(series: Series) -> Verdict:
    """Build mm/ at every prefix with the option on; if asked to, all of it, and boot it."""
    wrong: list[str] = []
    before: tuple[Complaint, ...] = ()
    for number in range(len(series.patches) + 1):
        try:
            found = _build_mm(series, series.tree(str(number)))
            before = before if number else found
            added = new_complaints(before, found, series.touched)
            wrong += [f"prefix {number}: {complaint}" for complaint in added]
            if series.boots:
                _boot(series, series.tree(str(number)))
        except HostError:
            raise
        except HarnessError as error:
            wrong.append(f"prefix {number}: {error}")
    what = "mm/, then all of the kernel and a boot" if series.boots else "mm/"
    return Verdict(tuple(wrong), (f"{what}, with each of {len(series.patches) + 1} prefixes",))


# Quick ones first.
GATES: Mapping[str, Gate] = {
    gate.__name__: gate for gate in (checkpatch, apply, identity, sparse, warnings, prefixes)
}


def _outcome(name: str, gate: Gate, series: Series) -> Outcome:
    logger.info("%s ...", name)
    started_s = time.monotonic()
    try:
        verdict = gate(series)
    except HostError:
        raise
    except HarnessError as error:
        verdict = Verdict((str(error),))
    held = not verdict.wrong
    logger.info("%s %s (%.0f s)", name, "held" if held else "FAILED", time.monotonic() - started_s)
    return Outcome(gate=name, held=held, details=(*verdict.wrong, *verdict.notes))


def _added_complaints(
    series: Series, configuration: Configuration, arguments: list[str], *, gate: str
) -> tuple[Complaint, ...]:
    """Compile the touched objects without and with the series and compare what is said."""
    found = []
    for tree in (series.tree("0"), series.tree()):
        logger.info("%s: %s, %s", gate, configuration.name, _called(tree))
        with _turned_slot(tree, f"review-{configuration.name}", series.cache) as slot:
            _configure(slot, configuration, monitor=bool(tree.patches))
            found.append(_compile(slot, _touched_objects(series, tree), arguments))
    before, after = found
    return new_complaints(before, after, series.touched)


def _build_mm(series: Series, tree: PatchedTree) -> tuple[Complaint, ...]:
    logger.info("prefixes: mm/ with %s", _called(tree))
    with _turned_slot(tree, "review-prefixes", series.cache) as slot:
        fragment = fragment_for(tree, BASE_FLAVOUR, Counters.PERCPU)
        configure(slot, fragment, log_path=_fresh_log(slot, "configure"))
        return _compile(slot, _touched_objects(series, tree), [], targets=["mm/"])


def _boot(series: Series, tree: PatchedTree) -> None:
    logger.info("prefixes: building and booting %s", _called(tree))
    kernel = build(tree, series.cache)
    boot.measured_speed(kernel, guest(kernel, series.cache), _BOOT_SETTINGS, series.cache)


def _touched_objects(series: Series, tree: PatchedTree) -> list[str]:
    """Name the objects of the touched sources that `tree` has."""
    sources = sorted(name for name in series.touched if name.endswith(".c"))
    return [f"{name[:-2]}.o" for name in sources if (tree.tree / name).exists()]


def _objects_of(series: Series) -> str:
    return " ".join(f"{name[:-2]}.o" for name in sorted(series.touched) if name.endswith(".c"))


def _called(tree: PatchedTree) -> str:
    count = len(tree.patches)
    return f"{tree.source.release} and {count} patches" if count else f"{tree.source.release} alone"


@contextlib.contextmanager
def _turned_slot(tree: PatchedTree, flavour: str, cache: Cache) -> Iterator[Slot]:
    slot = slot_for(tree, flavour, compiler_id(), cache)
    with cache.locked(f"slot-{slot.root.name}"):
        slot.root.mkdir(parents=True, exist_ok=True)
        slot.turn_to(tree, cache)
        yield slot


def _configure(slot: Slot, configuration: Configuration, *, monitor: bool) -> None:
    """Write `.config`; the last word on an option is the fragment's."""
    choice = f"{MONITOR_OPTION}_{configuration.counters.name}"
    ours = (f"{MONITOR_OPTION}=y", f"{choice}=y") if monitor else ()
    lines = (*configuration.fragment, *ours)
    fragment = "".join(f"{line}\n" for line in lines)
    config = slot.objects / ".config"
    _make(slot, [configuration.base])
    with config.open("a") as file:
        file.write(fragment)
    _make(slot, ["olddefconfig"])
    if lost := dropped(parse_config(fragment), parse_config(config.read_text())):
        raise StageError("review", f"{configuration.name} did not keep {', '.join(lost)}")


def _compile(
    slot: Slot, objects: list[str], arguments: list[str], *, targets: Sequence[str] = ()
) -> tuple[Complaint, ...]:
    """Compile `objects` whether or not they are up to date; return what is complained about."""
    for name in objects:
        (slot.objects / name).unlink(missing_ok=True)
    log = _make(slot, [*arguments, *(targets or objects)])
    return complaints(log, str(slot.source.resolve()))


def _make(slot: Slot, targets: list[str]) -> str:
    log_path = _fresh_log(slot, "review")
    deadline = Deadline.after(MAKE_LIMIT_S, f"make {' '.join(targets)}")
    try:
        return "\n".join(slot.make(targets, deadline=deadline, log_path=log_path))
    except CommandFailedError as error:
        reason = first_error(error.completed.output)
        raise StageError("review", reason, log_path=log_path) from error


def _fresh_log(slot: Slot, name: str) -> Path:
    path = slot.root / f"{name}.log"
    path.unlink(missing_ok=True)
    return path


def _tool_deadline(what: str) -> Deadline:
    return Deadline.after(TOOL_LIMIT_S, what)
