# SPDX-License-Identifier: GPL-2.0-only
"""export: the series as mails for one kernel."""

import argparse
from pathlib import Path

from harness.cli.options import add_kernel_options, path
from harness.cli.requests import kernel_request
from harness.errors import Exit

RANK = 25
HELP = "write the series as mails for one kernel"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_kernel_options(parser, patched=False)
    parser.add_argument(
        "--output", type=path, metavar="DIR", help="new folder (default: runs/export-RELEASE)"
    )


def act(arguments: argparse.Namespace) -> int:
    """Write the mails and print who takes them, and how."""
    from harness import pipeline
    from harness.host.folder import RUNS, claimed, require_free, require_writable
    from harness.host.git_repo import own_identity
    from harness.jobs.export import export
    from harness.stages.fetch import fetch

    author = own_identity()
    if arguments.output is not None:
        require_free(arguments.output)
    require_writable(arguments.output or RUNS)
    cache = pipeline.open_cache()
    request = kernel_request(arguments)
    source = fetch(request.kernel, cache)
    checkout = Path(request.kernel) if request.kernel and Path(request.kernel).is_dir() else None
    target = arguments.output or RUNS / f"export-{source.release}"
    with claimed(target) as folder:
        letter, *patches = export(source, cache, author=author, target=folder, checkout=checkout)
    place = folder.absolute()
    print(f"{len(patches)} mails from {author.name} <{author.email}>, and {letter}")
    print(f'in a git checkout of {source.release}: git am $(sed "s,^,{place}/," {place}/series)')
    print(f"in its unpacked source: QUILT_PATCHES={place} quilt push -a")
    return Exit.OK
