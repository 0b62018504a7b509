# SPDX-License-Identifier: GPL-2.0-only
"""What `replay` and `bundle` are given, KEY, RUN or FILE, as a value and the files to launch."""

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.options import Several, path

if TYPE_CHECKING:
    from harness.host.cache import Cache
    from harness.jobs.replay import Replayable
    from harness.jobs.saved_arm import SavedArm
    from harness.stages.boot_files import BootFiles


def add_replayable_options(parser: argparse.ArgumentParser, what: str) -> None:
    """Declare the argument, and where keys are looked for."""
    parser.add_argument(
        "what",
        metavar=what,
        help="an arm's key in a comparison's table, or its beginning; a run folder"
        + ("; a bundle" if "FILE" in what else ""),
    )
    parser.add_argument(
        "--results",
        type=path,
        action=Several,
        metavar="DIR",
        help="where to look for the key (default: docs/results and runs)",
    )


@contextlib.contextmanager
def opened(
    arguments: argparse.Namespace, cache: "Cache", *, builds: bool
) -> Iterator[tuple["Replayable", "BootFiles"]]:
    """Give what is to be replayed; what is not in the cache is made if `builds`, or refused."""
    from harness.jobs.replayable import unbundled
    from harness.jobs.saved_arm import PLACES, find, require_comparable

    path = Path(arguments.what)
    if path.is_dir():
        yield _run(path, cache)
    elif path.is_file() and builds:
        with cache.building("bundle") as scratch:
            yield unbundled(path, scratch)
    else:
        arm = find(arguments.what, tuple(arguments.results or ()) or PLACES)
        require_comparable(arm)
        yield _arm(arm, arguments, cache, builds=builds)


def _run(folder: Path, cache: "Cache") -> tuple["Replayable", "BootFiles"]:
    from harness.jobs.replayable import (
        cached,
        guest_command,
        known_files,
        not_cached,
        saved_run,
    )
    from harness.stages.fetch import name_of

    it = saved_run(folder)
    made = it.identity.provenance
    found = cached(it.identity.key, cache)
    if found is None:
        raise not_cached(it.identity.key, made, guest_command(made, name_of(made.kernel_origin)))
    return it, known_files(*found, made)


def _arm(
    arm: "SavedArm", arguments: argparse.Namespace, cache: "Cache", *, builds: bool
) -> tuple["Replayable", "BootFiles"]:
    from harness import pipeline
    from harness.jobs.replayable import cached, known_files, not_cached, saved_arm
    from harness.stages.fetch import name_of
    from harness.values import flavours_of

    key, made = arm.kernel.key, arm.kernel.provenance
    found = cached(key, cache)
    if found is None and not builds:
        raise not_cached(key, made, f"buddylab replay {arguments.what}")
    if found is None:
        # A kernel from a directory has no name: the default may be the same, and is compared.
        request = pipeline.KernelRequest(
            kernel=arguments.kernel or name_of(made.kernel_origin),
            counters=made.counters,
            flavours=flavours_of(made.flavour),
        ).of_arm(arm.plan, arm.run.arm.kernel)
        found = pipeline.bootable(request, cache)
    what = known_files(*found, made)
    return saved_arm(arm, what, cache), what
