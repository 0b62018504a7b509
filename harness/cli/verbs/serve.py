# SPDX-License-Identifier: GPL-2.0-only
"""serve: show all runs of a folder in the browser."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from harness.cli.verbs import Group
from harness.errors import Exit, UserError

GROUP = Group.RUN
RANK = 35
HELP = "show all runs of a folder in the browser"
EXAMPLES = ("buddylab serve runs",)
ANSWERS = True

_PORT = 8265
_PORT_MAX = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeAnswer:
    """Where the pages are until the command is ended, and how many runs the folder has."""

    addresses: tuple[str, ...]
    folder: Path
    runs: int


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="a folder of run folders")
    parser.add_argument(
        "--port",
        type=_port,
        metavar="N",
        default=_PORT,
        help=f"on loopback (default {_PORT}); 0: any free one",
    )
    parser.add_argument("--ipv6", action="store_true", help="answer on ::1 as well as 127.0.0.1")


def act(arguments: argparse.Namespace) -> int:
    """Serve it until interrupted: no work is lost by that, so the end is a good one."""
    from harness.cli.answer import say
    from harness.host.web import listening
    from harness.jobs.shelf import Shelf
    from harness.jobs.site import Pages

    folder = arguments.folder.absolute()
    shelf = Shelf(folder)
    try:
        entries, _ = shelf.entries()
    except OSError as error:
        raise UserError(
            f"{arguments.folder} cannot be listed ({error.strerror}); name a folder that has run "
            "folders, such as runs"
        ) from error
    if shelf.is_itself_a_run():
        raise UserError(
            f"{arguments.folder} is a run's or comparison's own folder; `buddylab open` shows "
            f"it, or serve the folder it lies in: {folder.parent}"
        )
    try:
        with listening(Pages(shelf).answer, arguments.port, ipv6=arguments.ipv6) as site:
            answer = ServeAnswer(addresses=site.addresses, folder=folder, runs=len(entries))
            text = f"{' '.join(site.addresses)} has {len(entries)} runs; Ctrl-C ends it"
            say(arguments, answer, text)
            _flush()
            site.serve()
    except KeyboardInterrupt:
        pass
    return Exit.OK


def _flush() -> None:
    import sys

    sys.stdout.flush()


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > _PORT_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to {_PORT_MAX}")
    return int(text)
