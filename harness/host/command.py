# SPDX-License-Identifier: GPL-2.0-only
"""Every process of the harness starts here: argv lists, deadlines, logs, no orphans.

A child gets a session of its own, so that Ctrl-C reaches the harness alone and the
harness ends the child's whole group; and it is told to die with its parent
(setpriv --pdeathsig), so that even a killed harness leaves no QEMU behind.
"""

import contextlib
import errno
import logging
import os
import re
import shlex
import shutil
import signal
import subprocess  # noqa: TID251 - the one importer
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError, HostError
from harness.host.deadline import Deadline
from harness.host.disk import FULL_BYTES, is_full
from harness.host.environment import pinned

logger = logging.getLogger("buddylab")

TAIL_LINES = 20
KILL_GRACE_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A finished command; `output` is stdout (with stderr unless it was logged)."""

    argv: tuple[str, ...]
    returncode: int
    output: str
    raw: bytes = b""  # stdout alone, if it was asked for apart


class CommandFailedError(HarnessError):
    """A command ended with a status that was not asked for, or not in time."""

    def __init__(
        self,
        completed: Completed,
        *,
        reason: str,
        log_path: Path | None,
        late_after_s: float | None = None,
    ) -> None:
        """Keep what ran and what it said; callers turn it into their stage's error.

        `late_after_s` is the deadline, if it passed.
        """
        self.completed = completed
        self.late_after_s = late_after_s
        self.log_path = log_path
        self.tail = "\n".join(completed.output.splitlines()[-TAIL_LINES:])
        where = f"\n  whole output: {log_path}" if log_path else ""
        super().__init__(f"{shlex.join(completed.argv)}: {reason}{where}\n{self.tail}".rstrip())


def _failure(
    completed: Completed, *, reason: str, log_path: Path | None, late_after_s: float | None = None
) -> CommandFailedError | OSError:
    """Tell a full disk, which is the host's matter, from a failure of the command itself."""
    full = os.strerror(errno.ENOSPC)
    if told := [line for line in completed.output.splitlines() if full in line]:
        return OSError(errno.ENOSPC, full, _file_of("\n".join(told)))
    if log_path is not None and shutil.disk_usage(log_path.parent).free < FULL_BYTES:
        return OSError(errno.ENOSPC, full, str(log_path))
    return CommandFailedError(
        completed, reason=reason, log_path=log_path, late_after_s=late_after_s
    )


def _file_of(told: str) -> str | None:
    """Return what a tool could not write: of the files that it names, one on a full disk."""
    words = re.findall(r"/[^\s'\"\u2018\u2019:;,]+", told)
    return next((word for word in words if is_full(Path(word))), None)


def require(program: str) -> str:
    """Return the path of `program` or say that the host lacks it."""
    path = shutil.which(program)
    if path is None:
        raise HostError(
            f"{program} is not installed; `buddylab doctor` lists what is missing and how to get it"
        )
    return path


def _fenced(argv: Sequence[str], options: Sequence[str]) -> list[str]:
    require(argv[0])
    return ["setpriv", "--pdeathsig", "KILL", *options, "--", *argv]


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a child and all it started: TERM, a grace, KILL; then reap it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=KILL_GRACE_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def started(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin_path: Path | None = None,
    stdout: int | None = None,
    stderr: int = subprocess.STDOUT,
    log_path: Path | None = None,
    pass_fds: Sequence[int] = (),
    options: Sequence[str] = (),
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `argv` beside the caller; on leaving, however that happens, its group is gone.

    Output goes to `log_path` when given, to a pipe with stdout=PIPE, else nowhere. `env` adds to
    what `pinned` leaves of our own, `options` to what setpriv(1) is told.
    """
    logger.debug("$ %s", shlex.join(argv))
    with contextlib.ExitStack() as stack:
        sink: object = stdout if stdout is not None else subprocess.DEVNULL
        if log_path is not None:
            sink = stack.enter_context(log_path.open("ab"))
        source = stack.enter_context((stdin_path or Path(os.devnull)).open("rb"))
        process = subprocess.Popen(
            _fenced(argv, options),
            cwd=cwd,
            env={**pinned(os.environ), **(env or {})},
            stdin=source,
            stdout=sink,  # type: ignore[call-overload]
            stderr=stderr,
            start_new_session=True,
            pass_fds=pass_fds,
        )
        try:
            yield process
        finally:
            end_group(process)
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()


def lines_of(
    argv: Sequence[str],
    *,
    deadline: Deadline,
    log_path: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    ended: Callable[[int], None] = lambda _: None,
) -> Iterator[str]:
    """Run `argv`, yield its output line by line and keep all of it in `log_path`.

    Raises CommandFailedError after the last line when the status is not 0 or time is up.
    `ended` is told the status also where the reader leaves before the last line.
    """
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(log_path.open("ab"))
        run = stack.enter_context(
            started(argv, cwd=cwd, env=env, stdout=subprocess.PIPE, pass_fds=pass_fds)
        )
        stack.callback(_tell_end, run, ended)
        watchdog = _Watchdog(run, deadline)
        with watchdog:
            log.write(f"$ {shlex.join(argv)}\n".encode())
            start = log.tell()
            for raw in run.stdout or ():
                log.write(raw)
                log.flush()
                yield raw.decode(errors="replace").rstrip("\n")
            status = run.wait()
    if watchdog.fired or status != 0:
        # What others said before, to the same log, failed nobody.
        output = log_path.read_bytes()[start:].decode(errors="replace")
        completed = Completed(argv=tuple(argv), returncode=status, output=output)
        late_s = deadline.limit_s if watchdog.fired else None
        reason = f"exit {status}" if late_s is None else _late(late_s)
        raise _failure(completed, reason=reason, log_path=log_path, late_after_s=late_s)


def _late(limit_s: float) -> str:
    return f"not done within {limit_s:.0f} s"


def _tell_end(process: subprocess.Popen[bytes], ended: Callable[[int], None]) -> None:
    end_group(process)
    ended(process.returncode)


class _Watchdog:
    """Ends a process group when its deadline passes, while the reader blocks on a pipe."""

    def __init__(self, process: subprocess.Popen[bytes], deadline: Deadline) -> None:
        import threading  # noqa: PLC0415 - only long commands pay for it

        self.fired = False
        self._process = process
        self._timer = threading.Timer(deadline.remaining_s, self._fire)
        self._timer.daemon = True

    def _fire(self) -> None:
        self.fired = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


def run(
    argv: Sequence[str],
    *,
    deadline: Deadline,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin_path: Path | None = None,
    stdout_apart: bool = False,
    log_path: Path | None = None,
    ok: Sequence[int] | None = (0,),
) -> Completed:
    """Run `argv` to its end; raise CommandFailedError unless its status is in `ok`.

    With `log_path` the output is appended there; else it is returned. ok=None takes any status.
    `stdout_apart` is for output that is data: its bytes, without what stderr says, in `raw`.
    """
    stderr = subprocess.PIPE if stdout_apart else subprocess.STDOUT
    with started(
        argv, cwd=cwd, env=env, stdin_path=stdin_path, stdout=subprocess.PIPE, stderr=stderr
    ) as process:
        try:
            raw, said = process.communicate(timeout=deadline.remaining_s)
        except subprocess.TimeoutExpired:
            end_group(process)
            raw = process.stdout.read() if process.stdout and not process.stdout.closed else b""
            completed = Completed(
                argv=tuple(argv), returncode=-1, output=raw.decode(errors="replace")
            )
            late_s = deadline.limit_s
            raise CommandFailedError(
                completed, reason=_late(late_s), log_path=log_path, late_after_s=late_s
            ) from None
    output = (raw + (said or b"")).decode(errors="replace")
    if log_path is not None:
        log_path.parent.mkdir(parents=True, exist_ok=True)
        with log_path.open("a") as log:
            log.write(f"$ {shlex.join(argv)}\n{output}")
    completed = Completed(
        argv=tuple(argv),
        returncode=process.returncode,
        output=output,
        raw=raw if stdout_apart else b"",
    )
    if ok is not None and completed.returncode not in ok:
        raise _failure(completed, reason=f"exit {completed.returncode}", log_path=log_path)
    return completed
