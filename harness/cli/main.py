# SPDX-License-Identifier: GPL-2.0-only
"""The `buddylab` command: one of its verbs, and errors to exit codes. No logic of its own."""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import NoReturn

from harness import __version__
from harness.cli.verbs import Verb, verbs
from harness.errors import Exit, HarnessError

logger = logging.getLogger("buddylab")

EPILOG = """exit codes: 0 all checks hold, 1 a check failed, 2 usage, 3 the host lacks something,
4 a stage failed, 5 the guest was lost. The cache is $BUDDYLAB_CACHE, else the platform's; QEMU is
$BUDDYLAB_QEMU, else the one on PATH."""


def parser(known: Mapping[str, Verb]) -> argparse.ArgumentParser:
    """Return the command's parser; it leaves the verb's word in `verb`."""
    command = argparse.ArgumentParser(
        prog="buddylab",
        description="Patch, build and boot a Linux page allocator; run, judge and report.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--version", action="version", version=f"buddylab {__version__}")
    command.add_argument("--verbose", action="store_true", help="show every command")
    words = command.add_subparsers(required=True, metavar="VERB", dest="verb")
    for name, verb in known.items():
        verb.add_options(words.add_parser(name, help=verb.HELP, description=verb.HELP))
    return command


def entry() -> NoReturn:
    """Be the `buddylab` process: once the answer is known, a late signal changes nothing."""
    try:
        status = main()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    except KeyboardInterrupt:
        status = Exit.INTERRUPTED
    sys.exit(status)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code; expected failures are one message, no traceback."""
    known = verbs()
    arguments = parser(known).parse_args(argv)
    _configure_logging(verbose=arguments.verbose)
    # A killed harness cleans up as an interrupted one does: no QEMU stays behind.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        _choose_emulator(arguments)
        return known[arguments.verb].act(arguments)
    except HarnessError as error:
        logger.error("%s", error)  # noqa: TRY400 - the message is the whole story
        return error.exit_code
    except KeyboardInterrupt:
        logger.error("interrupted; what was complete is kept")  # noqa: TRY400
        return Exit.INTERRUPTED
    except BrokenPipeError:
        return Exit.STAGE
    except OSError as error:
        return _refused_by_host(error)


def _refused_by_host(error: OSError) -> int:
    from harness.host.cache import CACHE_ELSEWHERE, Cache
    from harness.host.disk import disk_full, is_disk_full

    logger.debug("raised here", exc_info=error)
    if is_disk_full(error):
        logger.error("%s", disk_full(Cache.default().root, CACHE_ELSEWHERE))
    else:
        logger.error(
            "this host refused: %s; change that, or %s (--verbose shows where it happened)",
            error,
            CACHE_ELSEWHERE,
        )
    return Exit.HOST


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _configure_logging(*, verbose: bool) -> None:
    from harness.host.progress import log_handler

    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(name)s: %(message)s",
        handlers=[log_handler()],
    )
    for noisy in ("paramiko", "fabric", "invoke", "filelock", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _choose_emulator(arguments: argparse.Namespace) -> None:
    """Let --qemu be what $BUDDYLAB_QEMU is: whoever starts a guest asks for one of them."""
    if chosen := getattr(arguments, "qemu", None):
        from harness.host import emulator

        os.environ[emulator.CHOICE] = chosen
