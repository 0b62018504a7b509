# SPDX-License-Identifier: GPL-2.0-only
"""review: the kernel's own tests of the series, run in a guest of that kernel.

KUnit's for what is computed and decided, a kselftest for the file, the sysctls and the boot option.
"""

import logging
from collections.abc import Iterator
from dataclasses import replace

from harness.host.accelerator import AcceleratorChoice
from harness.host.cache import Cache
from harness.host.scratch import temporary
from harness.jobs.review_builds import KUNIT_OPTION
from harness.jobs.reviewed import Findings, Reviewed, not_applicable, not_judged
from harness.stages.boot import RunSettings
from harness.stages.build import build
from harness.stages.guest import SELFTEST, guest
from harness.stages.run import run
from harness.texts.build.provides import option
from harness.texts.guest.ktap import Outcome, parse_ktap
from harness.values import RAW, GuestImage, KernelBuild, RunMode, StagePlan

logger = logging.getLogger("review")

_SETTINGS = RunSettings(
    mode=RunMode.REPEATABLE,
    memory_mib=512,
    cpus=1,
    seed=1,
    scale="small",
    accelerator=AcceleratorChoice.TCG,
    cross_checks=False,
)
# What is asked of a guest that boots like any other, and of one that is told to count nothing.
_GUESTS = (
    (_SETTINGS, ("kunit", "kselftest")),
    (replace(_SETTINGS, monitor_off=True), ("kselftest",)),
)


def selftests(series: Reviewed) -> Findings:
    """Build the kernel with its own tests, boot it twice, and let none of them fail."""
    tree = series.tree()
    if option(KUNIT_OPTION) not in tree.provides:
        return not_applicable(f"none of the patches adds {KUNIT_OPTION}")
    if not series.boots:
        return not_judged("its kernel is booted with --boot alone")
    kernel = build(tree, series.cache, flavour=SELFTEST)
    image = guest(kernel, series.cache)
    wrong: list[str] = []
    notes: list[str] = []
    for settings, kinds in _GUESTS:
        how = ", buddy_monitor=off" if settings.monitor_off else ""
        for kind, said in _said(kernel, image, settings, kinds, series.cache):
            tests = parse_ktap(said)
            skipped = [test.name for test in tests if test.outcome is Outcome.SKIPPED]
            wrong += [
                f"{kind}{how}: {' / '.join((test.name, *test.notes))}"
                for test in tests
                if test.outcome is Outcome.NOT_OK
            ]
            told = f", skipped: {', '.join(skipped)}" if skipped else ""
            notes.append(f"{kind}{how}: {len(tests)} tests{told}")
    return Findings(tuple(wrong), tuple(notes))


def _said(
    kernel: KernelBuild,
    image: GuestImage,
    settings: RunSettings,
    kinds: tuple[str, ...],
    cache: Cache,
) -> Iterator[tuple[str, str]]:
    """Run one guest; yield each kind of test and what it says."""
    logger.info("selftests: %s, %s", kernel.release, ", ".join(kinds))
    with temporary("selftests") as folder:
        run(kernel, image, tuple(map(_stage, kinds)), settings, folder=folder, cache=cache)
        for kind in kinds:
            yield kind, (folder / RAW / kind / "output").read_text(errors="replace")


def _stage(kind: str) -> StagePlan:
    return StagePlan(
        name=kind,
        command=f"bash scripts/run_selftest.sh {kind}",
        prepare="",
        cleanup="",
        deadline_s=120,
        note="The kernel's own tests.",
    )
