# SPDX-License-Identifier: GPL-2.0-only
"""The command's own standard streams: closed, full or gone, they must not spoil its work."""

import io
import os
import sys

from harness.errors import HostError


class AnswerError(HostError):
    """Standard output does not take what was printed."""


class Answer(io.TextIOWrapper):
    """Standard output; what it does not take is told as that, not as some file's fault."""

    def write(self, text: str, /) -> int:
        """Write; AnswerError."""
        try:
            return super().write(text)
        except OSError as error:
            raise _refused(error) from error

    def flush(self) -> None:
        """Write what is buffered; AnswerError."""
        try:
            super().flush()
        except OSError as error:
            raise _refused(error) from error


def _refused(error: OSError) -> Exception:
    if isinstance(error, BrokenPipeError):  # its reader has seen enough
        return error
    return AnswerError(
        f"standard output does not take the answer: {error.strerror}; lead it elsewhere"
    )


def prepare() -> None:
    """Make standard streams of what a shell gave, also where it closed some.

    Where one is closed, the next file that is opened gets its number, and what a child writes
    there ends up in that file; and Python has None in its place.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free: all below it are open.
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123
    plain = sys.stdout
    if isinstance(plain, io.TextIOWrapper):
        how = (plain.line_buffering, plain.write_through)
        encoding = plain.encoding
        # A path that is no UTF-8 is printed as the bytes it is.
        sys.stdout = Answer(plain.detach(), encoding, "surrogateescape", None, *how)


def give_up() -> None:
    """Forget what the standard streams do not take; Python would try again, and exit 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, AnswerError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
