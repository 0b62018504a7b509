# SPDX-License-Identifier: GPL-2.0-only
"""The replay key of a guest that is about to be launched, and where that guest came from."""

import harness
from harness.host import project, qemu
from harness.record.key import Provenance, ReplayKey, plan_lines
from harness.stages.boot_files import BootFiles
from harness.values import GuestImage, KernelBuild, RunMode, StagePlan


def replay_key(
    subject: BootFiles,
    plan: tuple[StagePlan, ...],
    spec: qemu.GuestSpec,
    *,
    arm: StagePlan | None = None,
) -> ReplayKey:
    """Name all that executes in a guest of `spec`, whose files are what `subject` says."""
    return ReplayKey(
        vmlinux_digest=subject.vmlinux_digest,
        initramfs_digest=subject.initramfs_digest,
        qemu_version=spec.emulator.version,
        qemu_digest=spec.emulator.digest,
        firmware_digest=spec.emulator.firmware_digest,
        mode=RunMode.REPEATABLE if spec.mode.is_repeatable else RunMode.LIVE,
        accelerator=spec.accelerator,
        memory_mib=spec.memory_mib,
        cpus=spec.cpus,
        icount_shift=spec.icount_shift,
        seed=spec.seed,
        cross_checks=spec.cross_checks,
        page_owner=spec.page_owner,
        sysctls=spec.sysctls,
        machine=qemu.machine_text(spec),
        kernel_command_line=qemu.kernel_command_line(spec),
        plan=plan_lines(plan),
        arm="" if arm is None else plan_lines((arm,))[0],
    )


def provenance(build: KernelBuild, image: GuestImage) -> Provenance:
    """Say where a kernel and its initramfs came from."""
    source = build.tree.source
    return Provenance(
        project_version=harness.__version__,
        project_commit=project.commit(),
        kernel_release=build.release,
        kernel_origin=source.origin,
        source_digest=source.digest,
        page_alloc_blob=source.page_alloc_blob,
        page_alloc_upstream=source.page_alloc_upstream,
        series_name=build.tree.series_name,
        series_digest=build.tree.series_digest,
        patches=build.tree.patches,
        provides=build.provides,
        counters=build.counters,
        config_digest=build.config_digest,
        compiler=build.compiler,
        module_digest=build.module_digest,
        module_srcversion=build.module_srcversion,
        packages=image.packages,
        initramfs_bytes=image.size_bytes,
        flavour=build.flavour,
    )
