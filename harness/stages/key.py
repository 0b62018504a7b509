# SPDX-License-Identifier: GPL-2.0-only
"""The replay key: all that a repeatable run's bytes depend on."""

import hashlib
import json
from dataclasses import replace

import msgspec

import harness
from harness.host import qemu
from harness.stages.boot import RunSettings
from harness.values import RUN_SCHEMA_VERSION, GuestImage, KernelBuild, ReplayKey, StagePlan


def replay_key(
    build: KernelBuild,
    image: GuestImage,
    plan: tuple[StagePlan, ...],
    settings: RunSettings,
    spec: qemu.GuestSpec,
) -> ReplayKey:
    """Name all that the run's bytes depend on."""
    source = build.tree.source
    key = ReplayKey(
        schema=RUN_SCHEMA_VERSION,
        harness_version=harness.__version__,
        kernel_release=build.release,
        kernel_origin=source.origin,
        source_digest=source.digest,
        page_alloc_blob=source.page_alloc_blob,
        page_alloc_upstream=source.page_alloc_upstream,
        series_name=build.tree.series_name,
        series_digest=build.tree.series_digest,
        patches=build.tree.patches,
        counters=build.counters,
        config_digest=build.config_digest,
        compiler=build.compiler,
        vmlinux_digest=build.vmlinux_digest,
        module_digest=build.module_digest,
        module_srcversion=build.module_srcversion,
        guest_digest=image.digest,
        guest_size_bytes=image.size_bytes,
        mode=settings.mode,
        accelerator=spec.accelerator,
        qemu_version=spec.emulator.version,
        firmware_digest=spec.emulator.firmware_digest,
        machine=qemu.machine_text(spec),
        memory_mib=spec.memory_mib,
        cpus=spec.cpus,
        icount_shift=spec.icount_shift,
        scale=settings.scale,
        seed=settings.seed,
        kernel_command_line=qemu.kernel_command_line(spec),
        stages=plan,
        digest="",
    )
    return replace(key, digest=replay_digest(key))


def replay_digest(key: ReplayKey) -> str:
    """Digest all fields of a key but the digest itself, in canonical JSON."""
    fields = msgspec.to_builtins(key)
    del fields["digest"]
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
