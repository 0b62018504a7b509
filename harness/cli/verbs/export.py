# SPDX-License-Identifier: GPL-2.0-only
"""export: the series as mails for one kernel."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from harness.cli.options import add_kernel_options, path
from harness.cli.requests import kernel_request
from harness.cli.verbs import Group
from harness.errors import Exit

GROUP = Group.CHANGE
RANK = 45
HELP = "write the series as mails for one kernel"
EXAMPLES = ("buddylab export --kernel debian:6.1 --output runs/mails",)
ANSWERS = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportAnswer:
    """Where the mails are, and which kernel takes them."""

    release: str
    author: str
    folder: Path
    letter: Path
    mails: tuple[Path, ...]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_kernel_options(parser, patched=False)
    parser.add_argument(
        "--output", type=path, metavar="DIR", help="new folder (default: runs/export-RELEASE)"
    )


def act(arguments: argparse.Namespace) -> int:
    """Write the mails and print who takes them, and how."""
    from harness import pipeline
    from harness.cli.answer import say
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
    sender = f"{author.name} <{author.email}>"
    say(
        arguments,
        ExportAnswer(
            release=source.release,
            author=sender,
            folder=place,
            letter=letter,
            mails=tuple(patches),
        ),
        f"{len(patches)} mails from {sender}, and {letter}\n"
        f'in a git checkout of {source.release}: git am $(sed "s,^,{place}/," {place}/series)\n'
        f"in its unpacked source: QUILT_PATCHES={place} quilt push -a",
    )
    return Exit.OK
