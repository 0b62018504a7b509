# SPDX-License-Identifier: GPL-2.0-only
"""review: the gates. One gate, one word, one function from a series to a verdict."""

import logging
from collections.abc import Mapping
from pathlib import Path

from harness.digest import sha256_text
from harness.errors import HarnessError, HostError
from harness.host.accelerator import AcceleratorChoice
from harness.host.command import require, run
from harness.host.few_files import copy_out
from harness.jobs import review_compiled as compiled
from harness.jobs import review_documents as documents
from harness.jobs.review_builds import (
    PAGE_ALLOC,
    called,
    compile_objects,
    fresh_log,
    page_alloc_object,
    turned_slot,
)
from harness.jobs.review_compiled import touched_objects
from harness.jobs.review_selftests import selftests
from harness.jobs.reviewed import Findings, Gate, Reviewed, tool_deadline
from harness.stages import boot
from harness.stages.boot_files import boot_files
from harness.stages.build import build
from harness.stages.configure import MONITOR_OPTION, configure, fragment_for
from harness.stages.guest import guest
from harness.texts.build.diff import groups, sections
from harness.texts.build.objects import differences
from harness.texts.build.review_log import (
    Complaint,
    displaced_hunks,
    new_complaints,
    style_complaints,
)
from harness.values import BASE_FLAVOUR, Counters, PatchedTree, RunMode

logger = logging.getLogger("review")

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
            done = run(argv, cwd=mail.parent, deadline=tool_deadline("checkpatch"), ok=None)
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
            done = run(argv, cwd=scratch, deadline=tool_deadline("patch"), ok=None)
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


def _build_mm(series: Reviewed, tree: PatchedTree) -> tuple[Complaint, ...]:
    fragment = fragment_for(tree, BASE_FLAVOUR, Counters.PERCPU)
    objects = touched_objects(series, tree)
    # A change of the last patch leaves the prefixes before it as they were.
    asked = sha256_text("review mm", series.basis, tree.key, fragment, *objects)
    known = series.recall(asked, tuple[Complaint, ...])
    if known is not None:
        return known
    logger.info("prefixes: mm/ with %s", called(tree))
    with turned_slot(tree, "review-prefixes", series.cache) as slot:
        configure(slot, tree, fragment, log_path=fresh_log(slot, "configure"))
        found = compile_objects(slot, objects, [], targets=["mm/"])
    series.remember(asked, found)
    return found


def _boot(series: Reviewed, tree: PatchedTree) -> None:
    logger.info("prefixes: building and booting %s", called(tree))
    kernel = build(tree, series.cache)
    what = boot_files(kernel, guest(kernel, series.cache))
    boot.measured_speed(what, _BOOT_SETTINGS, series.cache)


# Quick ones first.
GATES: Mapping[str, Gate] = {
    "checkpatch": checkpatch,
    "apply": apply,
    "barriers": documents.barriers,
    "default-off": documents.default_off,
    "help": documents.help_text,
    "kernel-doc": documents.kernel_doc,
    "proc": documents.proc,
    "boot-parameters": documents.boot_parameters,
    "module-parameters": documents.module_parameters,
    "interfaces": documents.interfaces,
    "ioctls": documents.ioctls,
    "identity": identity,
    "sparse": compiled.sparse,
    "stack": compiled.stack,
    "extra-warnings": compiled.extra_warnings,
    "arch": compiled.arch,
    "all-configs": compiled.all_configs,
    "warnings": compiled.warnings,
    "selftests": selftests,
    "prefixes": prefixes,
}
# Those that boot a kernel where boots are asked for.
BOOTING = ("selftests", "prefixes")
# What some of them start beside the tools of a build.
PROGRAMS: Mapping[str, str] = {"checkpatch": "perl", "apply": "patch", "sparse": "sparse"}
