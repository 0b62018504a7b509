# SPDX-License-Identifier: GPL-2.0-only
"""review: the gates that read the sources alone: what is added, and whether it is told."""

import re
from collections.abc import Iterable

from harness.errors import StageError
from harness.host.command import run
from harness.jobs.reviewed import Findings, Reviewed, not_applicable, tool_deadline
from harness.texts.build import additions
from harness.texts.build.additions import Change
from harness.texts.build.review_log import Complaint, complaints, new_complaints
from harness.values import PatchedTree

_DOCUMENTATION = "Documentation/"
_PARAMETERS = "Documentation/admin-guide/kernel-parameters.txt"
_ABI = "Documentation/ABI/"
_IOCTLS = "Documentation/userspace-api/ioctl/ioctl-number.rst"


def barriers(series: Reviewed) -> Findings:
    """Let each memory barrier have a comment on its line or above it."""
    found = tuple(additions.barriers(series.change()))
    if not found:
        return not_applicable("no memory barrier is added")
    bare = tuple(f"{one} has no comment" for one in found if not one.explained)
    return Findings(bare, (f"{len(found)} barriers, each with a comment at it",))


def default_off(series: Reviewed) -> Findings:
    """Let no option that a user is asked for be on by itself."""
    found = additions.options(series.change())
    if not found:
        return not_applicable("no option is added")
    on = tuple(f"{one.name}: {one.default_on}" for one in found if one.asked and one.default_on)
    return Findings(on, (", ".join(one.name for one in found),))


def help_text(series: Reviewed) -> Findings:
    """Let each option that a user is asked for have help."""
    found = [one for one in additions.options(series.change()) if one.asked]
    if not found:
        return not_applicable("no option that is asked for is added")
    mute = tuple(f"{one.name} has no help" for one in found if not one.has_help)
    return Findings(mute, (", ".join(one.name for one in found),))


def kernel_doc(series: Reviewed) -> Findings:
    """Let each exported function have kernel-doc, and scripts/kernel-doc find nothing new."""
    change = series.change()
    exported = additions.functions(change, additions.added(change, additions.EXPORT))
    wrong = [
        f"{name} is exported and has no kernel-doc"
        for name in exported
        if not additions.has_kernel_doc(change, name)
    ]
    before, after = (_kernel_doc(series, tree) for tree in (series.tree("0"), series.tree()))
    wrong += map(str, new_complaints(before, after, series.touched))
    names = ", ".join(exported) or "nothing"
    return Findings(tuple(wrong), (f"{names} exported; scripts/kernel-doc -none",))


def _kernel_doc(series: Reviewed, tree: PatchedTree) -> tuple[Complaint, ...]:
    """Return what the source's own script says of the touched C files."""
    names = sorted(name for name in series.touched if name.endswith((".c", ".h")))
    files = [str(tree.tree / name) for name in names if (tree.tree / name).exists()]
    if not files:
        return ()
    with series.cache.building("review-kernel-doc") as scratch:
        done = run(
            [str(series.source.tree / "scripts/kernel-doc"), "-none", *files],
            cwd=scratch,
            # On newer kernels it is Python, which would leave its bytes in the source.
            env={"PYTHONDONTWRITEBYTECODE": "1"},
            deadline=tool_deadline("kernel-doc"),
            ok=None,
        )
    found = complaints(done.output, str(tree.tree))
    if done.returncode and not found:
        raise StageError("review", f"kernel-doc ended with {done.returncode}: {done.output}")
    return found


def proc(series: Reviewed) -> Findings:
    """Let Documentation name each new file in /proc, those of sysctls too."""
    change = series.change()
    files = additions.added(change, additions.PROC)
    knobs = additions.added(change, additions.SYSCTL)
    if not files and not knobs:
        return not_applicable("no file in /proc is added")
    told = _documents(change)
    wrong = [f"/proc/{name} is not documented" for name in files if f"/proc/{name}" not in told]
    wrong += [f"sysctl {name} is not documented" for name in _untold(knobs, told)]
    return Findings(tuple(wrong), (", ".join((*(f"/proc/{name}" for name in files), *knobs)),))


def boot_parameters(series: Reviewed) -> Findings:
    """Let kernel-parameters.txt have each new word of the kernel's command line."""
    change = series.change()
    found = additions.added(change, additions.BOOT_PARAMETER)
    if not found:
        return not_applicable("no boot parameter is added")
    file = change.get(_PARAMETERS)
    told = file.after if file else ""
    wrong = tuple(
        f"{name} is not in {_PARAMETERS}"
        for name in found
        if not re.search(rf"^\s*{re.escape(name)}(?:=|\s|$)", told, re.MULTILINE)
    )
    return Findings(wrong, (", ".join(found),))


def module_parameters(series: Reviewed) -> Findings:
    """Let each new module parameter have its MODULE_PARM_DESC."""
    change = series.change()
    found = additions.added(change, additions.MODULE_PARAMETER)
    if not found:
        return not_applicable("no module parameter is added")
    told = additions.added(change, additions.DESCRIPTION)
    return Findings(
        tuple(f"{name} has no MODULE_PARM_DESC" for name in found if name not in told),
        (", ".join(found),),
    )


def interfaces(series: Reviewed) -> Findings:
    """Let Documentation/ABI name each new file in sysfs, and Documentation those in debugfs."""
    change = series.change()
    sysfs = additions.added(change, additions.SYSFS)
    debugfs = additions.added(change, additions.DEBUGFS)
    if not sysfs and not debugfs:
        return not_applicable("no file in sysfs or debugfs is added; for /proc see its row")
    abi = _documents(change, _ABI)
    wrong = [f"{name} in sysfs is not in {_ABI}" for name in _untold(sysfs, abi)]
    wrong += [
        f"{name} in debugfs is not documented" for name in _untold(debugfs, _documents(change))
    ]
    notes = [f"sysfs: {', '.join(sysfs) or 'nothing'}; debugfs: {', '.join(debugfs) or 'nothing'}"]
    if elsewhere := tuple(_untold(debugfs, abi)):
        notes.append(f"in debugfs and told outside of {_ABI}: {', '.join(elsewhere)}")
    return Findings(tuple(wrong), (*notes, "mail to linux-api@vger.kernel.org is a person's"))


def ioctls(series: Reviewed) -> Findings:
    """Let ioctl-number.rst change where an ioctl is added."""
    change = series.change()
    found = additions.added(change, additions.IOCTL)
    if not found:
        return not_applicable("no ioctl is added")
    file = change.get(_IOCTLS)
    same = file is None or file.before == file.after
    wrong = (f"{', '.join(found)}: {_IOCTLS} is as before",) if same else ()
    return Findings(wrong, (", ".join(found),))


def _documents(change: Change, below: str = _DOCUMENTATION) -> str:
    """Return the documents that the series adds or changes."""
    return "\n".join(file.after for path, file in change.items() if path.startswith(below))


def _untold(names: Iterable[str], text: str) -> Iterable[str]:
    return (name for name in names if not re.search(rf"\b{re.escape(name)}\b", text))
