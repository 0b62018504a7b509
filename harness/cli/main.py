# SPDX-License-Identifier: GPL-2.0-only
"""The `buddylab` command: one of its verbs, and errors to exit codes. No logic of its own."""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from harness.cli import completion, net, settings
from harness.cli.parser import Command, parser
from harness.cli.settings import Settings
from harness.cli.verbs import verbs
from harness.errors import Exit, UserError
from harness.host import streams

logger = logging.getLogger("buddylab")

_AGAIN_S = 0.01


def entry() -> NoReturn:
    """Be the `buddylab` process: once the answer is known, a late signal changes nothing."""
    streams.prepare()
    sys.unraisablehook = _interrupt_again
    try:
        status = main()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
            signal.signal(number, signal.SIG_IGN)
    except KeyboardInterrupt:
        status = Exit.INTERRUPTED
    streams.give_up()
    if status == Exit.INTERRUPTED:
        # Where a text was being executed (dataclasses make their methods so), `python -m` would now
        # end itself by SIGINT, as if nobody had caught it (CPython, Py_RunMain).
        os._exit(status)
    sys.exit(status)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code; what goes wrong is one message, no traceback."""
    words = sys.argv[1:] if argv is None else argv
    try:
        return _run_verb(words)
    except KeyboardInterrupt:
        return net.interrupted()
    except Exception as error:  # noqa: BLE001 - the net
        status = net.status_of(error, words)
        return Exit.UNKNOWN if _is_for_bisect(words) else status


def _run_verb(words: Sequence[str]) -> int:
    known = verbs()
    command = parser(known)
    if completion.is_asked():
        completion.answer(command.whole)
    used, failure = _settings(command)
    try:
        arguments = command.whole.parse_args(words)
    except SystemExit as end:
        if end.code == Exit.USAGE and _is_for_bisect(words):
            return Exit.UNKNOWN
        raise
    _configure_logging(verbose=arguments.verbose, quiet=arguments.quiet)
    # A killed harness cleans up as an interrupted one does, and so does one whose terminal is
    # closed, unless nohup lets it go on: no QEMU stays behind.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    net.require_text(words)
    if failure is not None:  # after --help, which needs none
        raise failure
    if used is not None and (set_here := used.of_verb[arguments.verb]):
        named = ", ".join(dict.fromkeys(each.key for each in set_here))
        logger.info("settings of %s, unless given: %s", used.file, named)
    _choose_emulator(arguments)
    status = known[arguments.verb].act(arguments)
    sys.stdout.flush()  # what it does not take is told, which Python would not do as it ends
    return status


def _settings(command: Command) -> tuple[Settings | None, UserError | None]:
    """Read a user's settings into the parser's defaults; return them, or why they cannot be."""
    try:
        file = settings.place()
        if file is None:
            return None, None
        found = settings.read(file, command.options)
    except UserError as error:
        return None, error
    command.set_defaults(found)
    return found, None


def _is_for_bisect(words: Sequence[str]) -> bool:
    """Whether `git bisect run` is to be told the outcome: to it, 2 would mean a bad tree."""
    return "judge" in words and any(word.startswith("--ex") for word in words)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    # A shell and the kernel may both tell of a closed terminal, and impatient people tell twice:
    # the second time, what cleans up must not be torn off.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda _signal, _frame: None)
    raise KeyboardInterrupt


def _interrupt_again(lost: "sys.UnraisableHookArgs") -> None:
    """Let a signal that came in a finalizer, where Python drops it, come again in a moment."""
    if lost.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(lost)
        return
    signal.signal(signal.SIGALRM, _interrupt)
    signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)


def _configure_logging(*, verbose: bool, quiet: bool) -> None:
    from harness.host.progress import log_handler

    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO,
        format="%(name)s: %(message)s",
        handlers=[log_handler()],
    )
    for noisy in ("paramiko", "fabric", "invoke", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _choose_emulator(arguments: argparse.Namespace) -> None:
    """Let --qemu be what $BUDDYLAB_QEMU is: whoever starts a guest asks for one of them.

    Where such a guest's memory is to be kept is looked at before anything is built for it.
    """
    if "qemu" in arguments and os.environ.get("BUDDYLAB_MEMORY_DUMP"):
        from harness.host import memory_dump

        memory_dump.require_room(0)
    if chosen := getattr(arguments, "qemu", None):
        from harness.host import emulator

        os.environ[emulator.CHOICE] = chosen
