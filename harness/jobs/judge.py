# SPDX-License-Identifier: GPL-2.0-only
"""judge: a kernel with a change against the same kernel without it."""

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.compare.judging import AGAIN, BASE, CHANGE, Subject, judged_text
from harness.compare.plan import Plan, Variant
from harness.compare.plan_text import parse_plan
from harness.compare.results import CHANGES, Results
from harness.compare.verdict import Verdict, verdicts
from harness.compare.verdict_page import Asked, verdict_page
from harness.digest import sha256_bytes, sha256_text
from harness.errors import GuestLostError, HarnessError, RecordError, StageError, UserError
from harness.host.cache import Cache
from harness.host.files import atomic_write, remove_tree
from harness.host.pages import write_page
from harness.jobs.arm_store import ArmStore
from harness.jobs.compare import Job, Kernels, compare
from harness.jobs.comparison import saved, with_kept_opinion
from harness.jobs.guests import QEMU, Guests
from harness.jobs.lab import lab_of
from harness.jobs.runner import Runner
from harness.jobs.saved_report import VERDICT, keep_asked
from harness.stages.boot_files import boot_files
from harness.stages.change import range_of, taken
from harness.stages.configure import read_config
from harness.texts.build.rebase import NEXT_STEP
from harness.values import KernelSource

logger = logging.getLogger("judge")

MAIL = "mail.txt"
_SLUG_CHARS = 32


class UntestableError(HarnessError):
    """A changed kernel does not apply, build or boot: of it nothing can be said."""

    def __init__(self, variant: Variant, cause: HarnessError) -> None:
        """Keep what went wrong, and its exit code."""
        told = str(cause).replace(NEXT_STEP, "rebase the change on this source")
        super().__init__(f"kernel {variant}: {told}")
        self.exit_code = cause.exit_code


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What is to be judged, written down: the plan, and where its results go."""

    plan: Plan
    text: str
    folder: Path


def base_name(kernel: str, change: str) -> tuple[str, Path | None]:
    """Return what `fetch` is asked for, and the repository of a range; UserError without one."""
    commits = range_of(change)
    if commits is None:
        return kernel, None
    if not kernel or not Path(kernel).is_dir():
        raise UserError(
            f"{change} is a range of commits: give the repository that has them, --kernel DIR"
        )
    return f"{kernel}@{commits.before}", Path(kernel)


def judged(
    change: str,
    source: KernelSource,
    cache: Cache,
    *,
    plan: Plan,
    name: str,
    repository: Path | None,
    before: Sequence[str],
    config: Path | None,
    flavours: Sequence[str] = (),
    each: bool,
    folder: Path | None,
) -> Judged:
    """Take the change apart, and write the plan of its judgement.

    `name` is what `source` was fetched by. Another content goes to another folder, unless one is
    named. Raises UserError for what is no change, and for a folder that has another one.
    """
    with cache.building("judge") as scratch:
        changes = taken(change, scratch / CHANGES, repository=repository, each=each)
        content = [sha256_bytes(Path(one).read_bytes()) for one in changes if Path(one).is_file()]
        options = "" if config is None else read_config(config).text
        options += "".join(f"# flavour {name}\n" for name in flavours)
        named = tuple(Path(one).name for one in changes)
        digest = sha256_text(
            *(source.digest, options, *content),
            judged_text(plan, _subject(named, name, before, config, each=each)),
        )
        folder = folder or Path("runs") / f"judge-{_slug(_short(change))}-{digest[:8]}"
        final = folder / CHANGES
        moved = tuple(one.replace(str(scratch / CHANGES), str(final)) for one in changes)
        _keep(_patches_in(scratch / CHANGES), final)
        remove_tree(scratch / CHANGES)
    text = judged_text(plan, _subject(moved, name, before, config, each=each))
    return Judged(plan=parse_plan(text, f"plan {plan.name}, to judge"), text=text, folder=folder)


def _patches_in(folder: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in sorted(folder.glob("*.patch"))}


def _keep(patches: Mapping[str, bytes], final: Path) -> None:
    """Write patches to a results folder, unless it has them; those of another change stay."""
    for name, content in _patches_in(final).items():
        if patches.get(name) != content:
            raise UserError(
                f"{final.parent} is of another change: its {CHANGES}/{name} is not what is to be "
                "judged now; name another folder with --output, or leave that out"
            )
    for name, content in patches.items():
        atomic_write(final / name, content)


def _subject(
    changes: tuple[str, ...], name: str, before: Sequence[str], config: Path | None, *, each: bool
) -> Subject:
    return Subject(
        source=name,
        before=tuple(before),
        changes=changes,
        config="" if config is None else str(config),
        each=each,
    )


def _short(change: str) -> str:
    """Return what of a change's name tells it from others: of a path its last part."""
    return change if range_of(change) else Path(change).stem


def change_told(change: str) -> str:
    """Name a change, or another file, in titles and mails: by its own name, not by its folders."""
    return change if range_of(change) or not Path(change).is_absolute() else Path(change).name


def _slug(text: str) -> str:
    words = "".join(each if each.isascii() and each.isalnum() else " " for each in text).split()
    return "-".join(words)[-_SLUG_CHARS:].strip("-").lower() or "change"


@contextlib.contextmanager
def untestable(variant: Variant) -> Iterator[None]:
    """Tell what a changed kernel fails with from what its base fails with."""
    try:
        yield
    except (StageError, GuestLostError) as error:
        if variant in (BASE, AGAIN):
            raise
        raise UntestableError(variant, error) from error


def judge(
    it: Judged,
    asked: Asked,
    kernels: Kernels,
    cache: Cache,
    *,
    jobs: int,
    guests: Guests = QEMU,
    runner: Runner | None = None,
) -> tuple[Results, tuple[Verdict, ...]]:
    """Run what was not run before, judge, and write the verdict's page.

    On this machine, `jobs` guests at a time, or where `runner` runs them.
    Raises UntestableError if a changed kernel does not boot. What fails later is raised once
    all that can be said is written.
    """
    for variant, kernel in kernels.items():
        with untestable(variant):
            lab_of(boot_files(*kernel), it.plan, cache, guests=guests)
    failure: HarnessError | None = None
    keep_asked(it.folder, asked)
    job = Job(plan=it.plan, text=it.text, folder=it.folder, jobs=jobs, store=ArmStore(cache))
    try:
        results = compare(job, kernels, cache, guests, runner)
    except (GuestLostError, RecordError, StageError) as error:
        failure = error
        results = saved(it.folder, it.plan)
    found = verdicts(results)
    page = with_kept_opinion(verdict_page(results, found, asked), it.folder)
    write_page(it.folder, page, name=VERDICT)
    if failure is not None:
        logger.error("incomplete: what can be said is in %s", it.folder / f"{VERDICT}.md")
        raise UntestableError(CHANGE, failure) if _base_is_whole(results) else failure
    return results, found


def _base_is_whole(results: Results) -> bool:
    """Whether all arms of the base and of the control are there, of memory as it must be."""
    plan = results.plan
    names = {arm.name for arm in plan.arms if arm.kernel in (BASE, AGAIN)}
    wanted = len(names) * len(plan.seeds) * len(plan.states) * len(plan.bursts)
    broken = any(one.broken for one in results.states if one.variant in (BASE, AGAIN))
    return sum(one.arm in names for one in results.arms) == wanted and not broken


def variants(plan: Plan) -> tuple[Variant, ...]:
    """Return a judged plan's kernels, in the order in which they are built."""
    return tuple(kernel.name for kernel in plan.kernels)
