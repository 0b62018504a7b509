# SPDX-License-Identifier: GPL-2.0-only
"""The options that several verbs share, as requests to the pipeline."""

import argparse
from typing import TYPE_CHECKING

from harness.values import Counters

if TYPE_CHECKING:
    from harness import pipeline


def kernel_request(arguments: argparse.Namespace) -> "pipeline.KernelRequest":
    """Return which kernel is asked for."""
    from harness import pipeline

    return pipeline.KernelRequest(
        kernel=arguments.kernel,
        upto=getattr(arguments, "upto", None),
        counters=Counters(getattr(arguments, "counters", Counters.PERCPU)),
    )


def guest_request(arguments: argparse.Namespace) -> "pipeline.GuestRequest":
    """Return which guest is asked for."""
    from harness import pipeline
    from harness.host.accelerator import AcceleratorChoice

    return pipeline.GuestRequest(
        accelerator=AcceleratorChoice(arguments.accelerator),
        cpus=arguments.cpus,
        memory_mib=arguments.memory,
    )
