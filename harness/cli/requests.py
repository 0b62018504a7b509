# SPDX-License-Identifier: GPL-2.0-only
"""The options that several verbs share, as requests to the pipeline."""

import argparse
from typing import TYPE_CHECKING

from harness.values import Counters

if TYPE_CHECKING:
    from harness import pipeline
    from harness.guest_memory import MemoryLayout


def kernel_request(arguments: argparse.Namespace) -> "pipeline.KernelRequest":
    """Return which kernel is asked for; UserError if there is no such patch, or flavour."""
    from harness import pipeline
    from harness.host.assets import asset
    from harness.host.series import series_in
    from harness.stages.configure import require_flavours
    from harness.texts.build.series import prefix

    # Here, where no source was brought yet: it is one series for all lines.
    prefix(series_in(asset("patches") / "series").patches, getattr(arguments, "upto", None))
    flavours = getattr(arguments, "flavour", None) or ()
    require_flavours(flavours)
    return pipeline.KernelRequest(
        kernel=arguments.kernel,
        upto=getattr(arguments, "upto", None),
        counters=Counters(getattr(arguments, "counters", Counters.PERCPU)),
        flavours=flavours,
    ).laid_out(_layout(arguments))


def guest_request(arguments: argparse.Namespace) -> "pipeline.GuestRequest":
    """Return which guest is asked for."""
    from harness import pipeline
    from harness.host.accelerator import AcceleratorChoice

    return pipeline.GuestRequest(
        accelerator=AcceleratorChoice(arguments.accelerator),
        cpus=arguments.cpus,
        memory_mib=arguments.memory,
        layout=_layout(arguments),
    )


def _layout(arguments: argparse.Namespace) -> "MemoryLayout":
    from harness.guest_memory import MemoryLayout

    return MemoryLayout(nodes=getattr(arguments, "nodes", None) or 1)
