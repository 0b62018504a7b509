# SPDX-License-Identifier: GPL-2.0-only
"""What can go wrong, sorted by who must act; each class carries its exit code.

A check that fails is not an error but a finding (see harness.checks): the exit
code of a run with findings is EXIT_CHECK_FAILED.
"""

from enum import IntEnum
from pathlib import Path


class Exit(IntEnum):
    """Exit codes of the `buddylab` command."""

    OK = 0  # it holds, or is done
    CHECK_FAILED = 1  # a check failed, or an expectation does not hold
    USAGE = 2  # the command, a file or a plan cannot be meant so: change it
    HOST = 3  # this machine lacks something: install, free or connect it
    STAGE = 4  # a stage failed on its input; the message names its log
    GUEST_LOST = 5  # the guest panicked, hung, went silent or died
    UNTESTABLE = 125  # for `git bisect run`: this tree cannot be judged, skip it
    UNKNOWN = 129  # for `git bisect run`: nothing can be judged, stop
    BUG = 70  # a fault of buddylab's own; the message names the file with the bug report
    INTERRUPTED = 130  # interrupted; what was finished is kept


class HarnessError(Exception):
    """Base of all expected failures: message is fact, value and next step."""

    exit_code = Exit.STAGE

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle it as it is: what its class is made of is not what an exception remembers."""
        return _as_it_was, (type(self), self.args, dict(self.__dict__))


def _as_it_was(
    kind: type[HarnessError], arguments: tuple[object, ...], more: dict[str, object]
) -> HarnessError:
    error = kind.__new__(kind)
    error.args = arguments
    error.__dict__.update(more)
    return error


class UserError(HarnessError):
    """The request cannot be met as given: the user changes the command or the input."""

    exit_code = Exit.USAGE


class HostError(HarnessError):
    """This machine lacks something: the user installs, frees or connects it."""

    exit_code = Exit.HOST


class StageError(HarnessError):
    """A stage (fetch, patch, configure, ...) failed on its input."""

    def __init__(self, stage: str, message: str, *, log_path: Path | None = None) -> None:
        """`log_path` is where the whole output of the failed tool was kept."""
        self.stage = stage
        self.log_path = log_path
        where = f"\n  whole output: {log_path}" if log_path else ""
        super().__init__(f"{stage}: {message}{where}")


class GuestLostError(HarnessError):
    """The virtual machine panicked, hung, went silent or died before it was done."""

    exit_code = Exit.GUEST_LOST

    def __init__(self, reason: str, message: str, *, console_tail: str = "") -> None:
        """`reason` is one of panic, hang, deadline, exit; `console_tail` its last lines."""
        self.reason = reason
        tail = f"\n  last console lines:\n{console_tail}" if console_tail else ""
        super().__init__(f"guest lost ({reason}): {message}{tail}")

    @property
    def is_hang(self) -> bool:
        """Whether it was there to the end and did not go on."""
        return self.reason in {"hang", "deadline"}


class RecordError(HarnessError):
    """A saved text is absent, cut short or not what it claims: never taken as a pass."""
