# SPDX-License-Identifier: GPL-2.0-only
"""What can be replayed, from where it lies: a run folder, an arm's key, a bundle's file."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from harness.compare import plan as plans
from harness.compare.results import short, unpacked
from harness.encoding import encode
from harness.errors import HarnessError, RecordError, UserError
from harness.host import bundle_file
from harness.host.bundle_file import INITRAMFS, VMLINUX
from harness.host.cache import Cache
from harness.host.results import check_complete
from harness.jobs.comparison import raw_path
from harness.jobs.lab import first_group
from harness.jobs.replay import Replayable, present_key, saved_run_texts
from harness.jobs.saved_arm import SavedArm
from harness.record.bundle import (
    Expected,
    bundle_of,
    digests_of,
    parse_bundle,
    require_consistent,
    run_expected,
)
from harness.record.key import (
    Provenance,
    ReplayKey,
    RunIdentity,
    key_differences,
    plan_lines,
    provenance_differences,
    run_identity,
)
from harness.stages.boot import STATUS_LOG
from harness.stages.boot_files import BootFiles, boot_files
from harness.stages.check import KEY, read_identity, require_run_folder, require_sums
from harness.stages.key import provenance
from harness.stages.sources.commit import commit_told
from harness.values import RAW, GuestImage, KernelBuild, StagePlan, flavours_told

logger = logging.getLogger("replay")


def saved_run(folder: Path) -> Replayable:
    """Take a run folder, whole; RecordError if it is not, or was of a live guest.

    What its texts say is not read: a run of another series' kernel can be repeated as well.
    """
    require_run_folder(folder)
    identity = read_identity(folder)
    require_sums(folder)
    if not (folder / STATUS_LOG).exists():
        raise RecordError(f"{folder} has no {STATUS_LOG}; the folder is cut short: repeat the run")
    check_complete(folder / RAW, [stage.name for stage in identity.stages])
    require_consistent(identity, str(folder / KEY))
    texts = saved_run_texts(folder)
    return Replayable(
        title=f"run of scale {identity.scale}, seed {identity.key.seed}",
        identity=identity,
        expected=run_expected(digests_of(texts)),
        texts=texts,
    )


def saved_arm(saved: SavedArm, what: BootFiles, cache: Cache) -> Replayable:
    """Take an arm of a comparison; RecordError if this version would launch it otherwise."""
    texts = _arm_texts(saved)
    files = {} if texts is None else digests_of(texts)
    return Replayable(
        title=saved.title,
        identity=_arm_identity(saved, what, cache),
        expected=Expected(digest=saved.result.digest, files=files),
        texts=texts,
    )


def _arm_texts(saved: SavedArm) -> Mapping[str, bytes] | None:
    raw = raw_path(saved.folder, saved.run)
    return unpacked(raw.read_bytes(), str(raw)) if raw.exists() else None


def _arm_identity(saved: SavedArm, what: BootFiles, cache: Cache) -> RunIdentity:
    """Make the arm's key of what its comparison noted, and hold it to the digest that it kept."""
    plan, run, noted = saved.plan, saved.run, saved.kernel.key
    state, arm = plans.state_stage(plan, run.group), plans.arm_stage(plan, run)
    asked = replace(noted, seed=run.group.seed)
    mine = _key(asked, (state, arm), saved, what, cache)
    key = replace(
        mine,
        vmlinux_digest=noted.vmlinux_digest,
        initramfs_digest=noted.initramfs_digest,
        qemu_version=noted.qemu_version,
        qemu_digest=noted.qemu_digest,
        firmware_digest=noted.firmware_digest,
    )
    if key.digest != saved.result.key:
        first = plans.state_stage(plan, first_group(plan, run.arm.kernel))
        here = replace(_key(noted, (first, arm), saved, what, cache), arm="")
        told = "\n  ".join(map(str, key_differences(noted, here))) or "the arm's own text"
        raise RecordError(
            f"this would not be the same arm ({short(saved.result.key)}):\n  {told}\n"
            f"commit {saved.kernel.provenance.project_commit} of this project replays it"
        )
    return run_identity(key, saved.kernel.provenance, (state, arm), scale=plan.name)


def _key(
    asked: ReplayKey,
    stages: tuple[StagePlan, StagePlan],
    saved: SavedArm,
    what: BootFiles,
    cache: Cache,
) -> ReplayKey:
    state, arm = plan_lines(stages)
    identity = run_identity(
        replace(asked, plan=(state,), arm=arm),
        saved.kernel.provenance,
        stages,
        scale=saved.plan.name,
    )
    return present_key(identity, what, cache)


def unbundled(path: Path, target: Path) -> tuple[Replayable, BootFiles]:
    """Unpack a bundle below `target`; UserError names what of it was changed."""

    def told_by(document: bytes) -> dict[str, str]:
        try:
            key = parse_bundle(document, f"{bundle_file.DOCUMENT} of {path}").identity.key
        except RecordError as error:
            raise UserError(str(error)) from error
        return {VMLINUX: key.vmlinux_digest, INITRAMFS: key.initramfs_digest}

    document, found = bundle_file.read(path, target, told_by)
    bundle = parse_bundle(document, str(path))
    files = BootFiles(
        kernel=target / VMLINUX,
        initrd=target / INITRAMFS,
        vmlinux_digest=found[VMLINUX],
        initramfs_digest=found[INITRAMFS],
    )
    it = Replayable(title=bundle.title, identity=bundle.identity, expected=bundle.expected)
    return it, files


def bundle(it: Replayable, what: BootFiles, path: Path) -> None:
    """Write a bundle of all that executes and what must come of it."""
    require_consistent(it.identity, "its key")
    document = encode(bundle_of(it.title, it.identity, it.expected))
    files = {
        VMLINUX: (what.kernel, it.identity.key.vmlinux_digest),
        INITRAMFS: (what.initrd, it.identity.key.initramfs_digest),
    }
    bundle_file.write(path, document, files)


def cached(key: ReplayKey, cache: Cache) -> tuple[KernelBuild, GuestImage] | None:
    """Find in the cache, by digest, the two files that a key names."""
    kernels = (cache.load("kernels", name, KernelBuild) for name in cache.names("kernels"))
    guests = (cache.load("guests", name, GuestImage) for name in cache.names("guests"))
    kernel = next(
        (one for one in kernels if one and one.vmlinux_digest == key.vmlinux_digest), None
    )
    guest = next((one for one in guests if one and one.digest == key.initramfs_digest), None)
    return (kernel, guest) if kernel and guest else None


def not_cached(key: ReplayKey, made: Provenance, again: str) -> HarnessError:
    """Say what is missing, and what makes it again."""
    return UserError(
        f"vmlinux {key.vmlinux_digest[:16]} and initramfs {key.initramfs_digest[:16]} are not both "
        f"in the cache; commit {made.project_commit} of this project makes them again: {again}"
    )


def guest_command(made: Provenance, name: str | None) -> str:
    """Return the command that makes the kernel and the initramfs of a run."""
    upto = made.patches[-1] if made.patches else "0"
    commit = commit_told(made.kernel_origin)
    local = f"DIR@{commit}" if commit else "PATH"
    kernel = name or f"{local}  (a source whose digest is {made.source_digest[:16]})"
    words = f"buddylab guest --counters {made.counters} --upto {upto}"
    if flavours := flavours_told(made.flavour):
        words += f" --flavour {flavours}"
    return f"{words} --kernel {kernel}"


def known_files(kernel: KernelBuild, image: GuestImage, made: Provenance) -> BootFiles:
    """Return what is to be launched; tell in what it came from elsewhere."""
    for difference in provenance_differences(made, provenance(kernel, image)):
        logger.info("made otherwise, which is not compared: %s", difference)
    return boot_files(kernel, image)
