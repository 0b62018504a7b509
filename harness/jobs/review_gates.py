# SPDX-License-Identifier: GPL-2.0-only
"""review: the gates. One gate, one word, one function from a series to a verdict."""

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError, HostError
from harness.host.accelerator import AcceleratorChoice
from harness.host.cache import Cache
from harness.host.command import require, run
from harness.host.deadline import Deadline
from harness.host.few_files import copy_out
from harness.host.git_repo import NOBODY
from harness.host.series import Series
from harness.jobs.export import mails
from harness.jobs.review_builds import (
    CONFIGURATIONS,
    DEFCONFIG,
    PAGE_ALLOC,
    Configuration,
    called,
    compile_objects,
    configure_as,
    fresh_log,
    page_alloc_object,
    turned_slot,
)
from harness.stages import boot
from harness.stages.boot_files import boot_files
from harness.stages.build import build
from harness.stages.configure import BASE_FLAVOUR, MONITOR_OPTION, configure, fragment_for
from harness.stages.guest import guest
from harness.stages.patch import patch
from harness.texts.build.diff import groups, sections
from harness.texts.build.objects import differences
from harness.texts.build.provides import option
from harness.texts.build.review_log import (
    Complaint,
    displaced_hunks,
    new_complaints,
    style_complaints,
)
from harness.values import Counters, KernelSource, PatchedTree, RunMode

logger = logging.getLogger("review")

TOOL_LIMIT_S = 120.0

# checkpatch's kinds of complaint that stay, and why.
EXPECTED_STYLE = {
    "FILE_PATH_CHANGES": "new files of a series that is kept here have no entry in MAINTAINERS",
    # Known to the checkpatch of 6.12 and later.
    "MACRO_ARG_UNUSED": "an empty macro leaves the code with the option off as it was",
}

_BOOT_SETTINGS = boot.RunSettings(
    mode=RunMode.LIVE,
    memory_mib=512,
    cpus=2,
    seed=1,
    scale="small",
    accelerator=AcceleratorChoice.TCG,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """The series under review and the source it is for."""

    source: KernelSource
    series: Series
    cache: Cache
    boots: bool = False  # build each prefix whole and boot it

    @property
    def patches(self) -> tuple[str, ...]:
        """The names of its patches."""
        return self.series.patches

    def tree(self, upto: str | None = None) -> PatchedTree:
        """Return the source with the series, or a prefix of it, applied."""
        return patch(self.source, self.cache, upto=upto, series=self.series)

    @property
    def touched(self) -> frozenset[str]:
        """The files that the series adds or changes."""
        return frozenset(self.tree().touched)

    @contextlib.contextmanager
    def mails(self) -> Iterator[Mapping[str, Path]]:
        """Give the patches as they are exported for this source, by name."""
        with self.cache.building("review-mails") as scratch:
            written = mails(
                self.source, self.series, self.cache, author=NOBODY, target=scratch / "mails"
            )
            yield dict(zip(self.patches, written, strict=True))


@dataclass(frozen=True, slots=True)
class Findings:
    """A gate's answer: what is wrong, and what else is worth saying."""

    wrong: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


Gate = Callable[[Reviewed], Findings]


def checkpatch(series: Reviewed) -> Findings:
    """Let the kernel's own style checker find nothing but what is expected."""
    require("perl")
    script = series.source.tree / "scripts/checkpatch.pl"
    wrong, notes = [], [f"{len(series.patches)} patches, --strict"]
    with series.mails() as mails_by_name:
        for name, mail in mails_by_name.items():
            argv = ["perl", str(script), f"--root={series.source.tree}"]
            argv += ["--strict", "--no-signoff", "--terse", "--show-types", str(mail)]
            # It leaves a list of words where it is started.
            done = run(argv, cwd=mail.parent, deadline=_tool_deadline("checkpatch"), ok=None)
            found = style_complaints(done.output)
            if done.returncode and not found:
                wrong.append(f"{name}: checkpatch ended with {done.returncode}: {done.output}")
            for complaint in found:
                if reason := EXPECTED_STYLE.get(complaint.kind):
                    notes.append(f"{name}: {complaint} (expected: {reason})")
                else:
                    wrong.append(f"{name}: {complaint}")
    return Findings(tuple(wrong), tuple(notes))


def apply(series: Reviewed) -> Findings:
    """Let GNU patch take the exported series: no fuzz and no offset.

    For upstream's own file the mails that are kept have to be those that are exported.
    """
    require("patch")
    wrong = []
    with series.mails() as mails_by_name, series.cache.building("review-apply") as scratch:
        copy_out(series.source.tree, series.touched, scratch, known=())
        for name, mail in mails_by_name.items():
            argv = ["patch", "--batch", "--forward", "--strip=1", "--fuzz=0", f"--input={mail}"]
            done = run(argv, cwd=scratch, deadline=_tool_deadline("patch"), ok=None)
            wrong += [f"{name}: {hunk}" for hunk in displaced_hunks(done.output)]
            if done.returncode:
                tail = " / ".join(done.output.strip().splitlines()[-3:])
                wrong.append(f"{name} does not apply: {tail}")
                break
        other = [
            name
            for name, mail in mails_by_name.items()
            if _changes(mail) != _changes(series.series.directory / name)
        ]
    note = f"{len(series.patches)} patches with --fuzz=0"
    if series.source.page_alloc_upstream:
        wrong += [f"{name} is not as it is exported for upstream's own source" for name in other]
        return Findings(tuple(wrong), (note,))
    return Findings(tuple(wrong), (f"{note}, of which {len(other)} are other than those kept",))


def _changes(mail: Path) -> list[tuple[int, tuple[bytes, ...], tuple[bytes, ...]]]:
    """Return where a mail removes and adds lines, and which."""
    hunks = [hunk for part in sections(mail.read_bytes()) for hunk in part.hunks]
    return [(one.line, one.removed, one.added) for hunk in hunks for one in groups(hunk)]


def identity(series: Reviewed) -> Findings:
    """Compare mm/page_alloc.o, with the option off, to that without the series: the same code."""
    before = page_alloc_object(series.tree("0"), series.cache)
    after = page_alloc_object(series.tree(), series.cache)
    return Findings(
        differences(before, after),
        (f"{PAGE_ALLOC} with {MONITOR_OPTION}=n: {len(before)} bytes, compared by sections",),
    )


def warnings(series: Reviewed) -> Findings:
    """Compile the touched objects in every configuration, without a new warning."""
    wrong: list[str] = []
    for configuration in CONFIGURATIONS:
        found = _added_complaints(series, configuration, ["W=1"], gate="warnings")
        wrong += [f"{configuration.name}: {complaint}" for complaint in found]
    names = ", ".join(item.name for item in CONFIGURATIONS)
    return Findings(tuple(wrong), (f"{_objects_of(series)} with W=1 under {names}",))


def sparse(series: Reviewed) -> Findings:
    """Let sparse find nothing in the touched objects that was not there before."""
    require("sparse")
    found = _added_complaints(series, DEFCONFIG, ["C=2"], gate="sparse")
    return Findings(
        tuple(map(str, found)), (f"{_objects_of(series)} with C=2 under {DEFCONFIG.name}",)
    )


def prefixes(series: Reviewed) -> Findings:
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
    return Findings(tuple(wrong), (f"{what}, with each of {len(series.patches) + 1} prefixes",))


# Quick ones first.
GATES: Mapping[str, Gate] = {
    gate.__name__: gate for gate in (checkpatch, apply, identity, sparse, warnings, prefixes)
}
# What some of them start beside the tools of a build.
PROGRAMS: Mapping[str, str] = {
    checkpatch.__name__: "perl",
    apply.__name__: "patch",
    sparse.__name__: "sparse",
}


def _added_complaints(
    series: Reviewed, configuration: Configuration, arguments: list[str], *, gate: str
) -> tuple[Complaint, ...]:
    """Compile the touched objects without and with the series and compare what is said."""
    found = []
    for tree in (series.tree("0"), series.tree()):
        logger.info("%s: %s, %s", gate, configuration.name, called(tree))
        with turned_slot(tree, f"review-{configuration.name}", series.cache) as slot:
            configure_as(slot, configuration, monitor=option(MONITOR_OPTION) in tree.provides)
            found.append(compile_objects(slot, _touched_objects(series, tree), arguments))
    before, after = found
    return new_complaints(before, after, series.touched)


def _build_mm(series: Reviewed, tree: PatchedTree) -> tuple[Complaint, ...]:
    logger.info("prefixes: mm/ with %s", called(tree))
    with turned_slot(tree, "review-prefixes", series.cache) as slot:
        fragment = fragment_for(tree, BASE_FLAVOUR, Counters.PERCPU)
        configure(slot, tree, fragment, log_path=fresh_log(slot, "configure"))
        return compile_objects(slot, _touched_objects(series, tree), [], targets=["mm/"])


def _boot(series: Reviewed, tree: PatchedTree) -> None:
    logger.info("prefixes: building and booting %s", called(tree))
    kernel = build(tree, series.cache)
    what = boot_files(kernel, guest(kernel, series.cache))
    boot.measured_speed(what, _BOOT_SETTINGS, series.cache)


def _touched_objects(series: Reviewed, tree: PatchedTree) -> list[str]:
    """Name the objects of the touched sources that `tree` has."""
    sources = sorted(name for name in series.touched if name.endswith(".c"))
    return [f"{name[:-2]}.o" for name in sources if (tree.tree / name).exists()]


def _objects_of(series: Reviewed) -> str:
    return " ".join(f"{name[:-2]}.o" for name in sorted(series.touched) if name.endswith(".c"))


def _tool_deadline(what: str) -> Deadline:
    return Deadline.after(TOOL_LIMIT_S, what)
