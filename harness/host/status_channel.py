# SPDX-License-Identifier: GPL-2.0-only
"""What a guest says of itself on ttyS2, and what its silence means.

That a guest is lost comes from these lines and from QEMU's life alone; the console and the
monitor's events are read only to explain a loss that is already certain.
"""

import re
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.errors import GuestLostError, HostError, RecordError
from harness.host.deadline import Deadline
from harness.limits import GUEST_FILE_BYTES_MAX
from harness.texts.alarms.loss import (
    DEADLINE,
    HANG,
    PANIC,
    Cause,
    Signs,
    before_traces,
    verdict,
    where_the_boot_stood,
)
from harness.texts.alarms.monitor_events import parse_events

PROTOCOL = 1
CONSOLE_TAIL_LINES = 40
_POLL_S = 0.02
# The serial port is slow and the console small; anything beyond is a guest gone mad.
_MAX_STATUS_BYTES = 1 << 20
_CONSOLE_TAIL_BYTES = 64 << 10
_BOOTING = "before it was ready"
# What QEMU says of a guest that stops itself as it should (harness/host/qemu.py, _stop).
_OWN_STOP = {"GUEST_PANICKED", "STOP"}


@dataclass(frozen=True, slots=True)
class Hello:
    """The first line: which protocol follows."""

    version: int


@dataclass(frozen=True, slots=True)
class Ready:
    """User space is up."""

    uptime_s: float


@dataclass(frozen=True, slots=True)
class StageBegin:
    """A stage of the plan starts."""

    name: str


@dataclass(frozen=True, slots=True)
class StagePredict:
    """A stage's memory is in its final shape: the guest stops itself for the host to look."""

    name: str


@dataclass(frozen=True, slots=True)
class StageEnd:
    """A stage is over and its results are sent."""

    name: str
    exit: int


@dataclass(frozen=True, slots=True)
class Done:
    """The whole plan is through."""

    exit: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The guest gives up in a stage."""

    stage: str
    exit: int


Event = Hello | Ready | StageBegin | StagePredict | StageEnd | Done | Failed

_NAME = r"[A-Za-z0-9_-]{1,64}"
_PREFIX = "buddylab "
_LINES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Event]], ...] = (
    (re.compile(r"status (\d{1,9})"), lambda m: Hello(int(m[1]))),
    (re.compile(r"ready uptime_s=(\d{1,9}(?:\.\d{1,9})?)"), lambda m: Ready(float(m[1]))),
    (re.compile(rf"stage ({_NAME}) begin"), lambda m: StageBegin(m[1])),
    (re.compile(rf"stage ({_NAME}) predict"), lambda m: StagePredict(m[1])),
    (re.compile(rf"stage ({_NAME}) end exit=(\d{{1,3}})"), lambda m: StageEnd(m[1], int(m[2]))),
    (re.compile(r"done exit=(\d{1,3})"), lambda m: Done(int(m[1]))),
    (re.compile(rf"failed stage=({_NAME}) exit=(\d{{1,3}})"), lambda m: Failed(m[1], int(m[2]))),
)


def parse_line(line: str) -> Event:
    """Parse one status line; what is not exactly one of the known lines is an error."""
    said = line.removeprefix(_PREFIX) if line.startswith(_PREFIX) else ""
    for pattern, build in _LINES:
        match = pattern.fullmatch(said)
        if match is not None:
            event = build(match)
            if isinstance(event, Hello) and event.version != PROTOCOL:
                raise RecordError(
                    f"the guest speaks status version {event.version}, this harness {PROTOCOL}; "
                    "rebuild the guest image with this harness"
                )
            return event
    raise RecordError(
        f"the guest's status channel carries {line[:200]!r}, which is no status line; "
        "the guest image is damaged or not ours, rebuild it"
    )


@dataclass(slots=True)
class StatusReader:
    """Reads a growing status file; a line counts once its newline is there."""

    path: Path
    _read: int = 0
    _partial: bytes = b""
    _greeted: bool = False

    def new_events(self) -> Iterator[Event]:
        """Yield what was added since the last call."""
        for line in self._new_lines():
            event = parse_line(line)
            if isinstance(event, Hello) == self._greeted:
                raise RecordError(
                    f"the guest's status channel carries {line!r} "
                    f"{'a second time' if self._greeted else 'before its version line'}; "
                    "rebuild the guest image"
                )
            self._greeted = True
            yield event

    def _new_lines(self) -> Iterator[str]:
        try:
            with self.path.open("rb") as file:
                file.seek(self._read)
                chunk = file.read(_MAX_STATUS_BYTES)
        except FileNotFoundError:  # QEMU creates it when it starts
            return
        self._read += len(chunk)
        if self._read >= _MAX_STATUS_BYTES:
            raise RecordError(
                f"the guest wrote {self._read} bytes of status, more than {_MAX_STATUS_BYTES}; "
                f"see {self.path}"
            )
        *lines, self._partial = (self._partial + chunk).split(b"\n")
        for line in lines:
            yield line.rstrip(b"\r").decode("ascii", errors="backslashreplace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """A running guest as seen from outside."""

    exit_status: Callable[[], int | None]  # QEMU's, None while it runs
    console: Path
    results: Path
    emulator_log: Path  # what QEMU itself had to say
    reader: StatusReader
    emulator: str = "of unknown version"
    execution: str = ""  # QEMU's arguments that say how the guest is executed
    # Where a guest that hangs stands, in words; empty: not known. It may be the guest's end.
    standing: Callable[[], str] = str
    events: Callable[[], bytes] = bytes  # what QEMU's monitor has said unasked so far
    stops_itself: bool = False  # by the device that else tells of a panic


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long to wait, in host seconds, already scaled to the measured speed."""

    whole: Deadline
    silence_s: float  # outside of stages: nothing on any port for so long is a hang
    stage_s: Mapping[str, float] = field(default_factory=dict)


def stoppable(guest: Guest, check_stop: Callable[[], None]) -> Guest:
    """Let whoever waits for a guest notice that its work is to end: `check_stop` raises then."""

    def exit_status() -> int | None:
        check_stop()
        return guest.exit_status()

    return replace(guest, exit_status=exit_status)


def follow(
    guest: Guest,
    limits: Limits,
    *,
    until: type[Ready] | type[Done] | type[StageEnd],
    on_event: Callable[[Event], None] = lambda _: None,
) -> Done | Failed | Ready | StageEnd:
    """Wait for `until` (or `Failed`); raise GuestLostError when it cannot come any more."""
    watch = _Watch(guest, limits)
    while True:
        # Asked before reading: what a guest wrote before it ended is in the file by then.
        ended = guest.exit_status()
        for event in guest.reader.new_events():
            watch.note(event)
            on_event(event)
            if isinstance(event, until | Failed):
                return event
            if isinstance(event, Done):
                raise lost(guest, "exit", f"it said done (exit {event.exit}) before it was ready")
        if ended is not None:
            raise lost_by_exit(guest, ended, watch.doing)
        watch.check()
        time.sleep(_POLL_S)


class _Watch:
    """Knows since when nothing has moved and how long that may last."""

    def __init__(self, guest: Guest, limits: Limits) -> None:
        self._guest = guest
        self._limits = limits
        self._sizes: tuple[int, ...] = ()
        self._stage: Deadline | None = None
        self._silence = self._fresh_silence()
        self.doing = _BOOTING

    def note(self, event: Event) -> None:
        """Take in where the guest is."""
        self._silence = self._fresh_silence()
        if isinstance(event, StageBegin):
            limit_s = self._limits.stage_s.get(event.name)
            if limit_s is None:
                raise RecordError(
                    f"the guest began stage {event.name!r}, which is not in the plan; "
                    "rebuild the guest image"
                )
            self._stage = Deadline.after(limit_s, f"stage {event.name}")
            self.doing = f"in stage {event.name}"
        elif isinstance(event, StageEnd):
            self._stage = None
            self.doing = f"after stage {event.name}"
        elif isinstance(event, Ready):
            self.doing = "after it was ready"

    def check(self) -> None:
        """Raise when a limit has passed."""
        sizes = tuple(map(_size, (self._guest.console, self._guest.results)))
        if sizes != self._sizes:
            self._sizes = sizes
            self._silence = self._fresh_silence()
        self._guest.events()  # taken as they come, or QEMU would have to keep them
        if self._limits.whole.expired:
            limit_s = self._limits.whole.limit_s
            raise self._hung(DEADLINE, f"not done within {limit_s:.0f} s, {self.doing}")
        if self._stage is not None:  # a workload may be silent as long as its stage may last
            if self._stage.expired:
                limit_s = self._stage.limit_s
                raise self._hung(DEADLINE, f"{self._stage.what} not over within {limit_s:.0f} s")
        elif self._silence.expired:
            limit_s = self._silence.limit_s
            raise self._hung(HANG, f"no sign of life for {limit_s:.0f} s, {self.doing}")

    def _hung(self, reason: str, message: str) -> GuestLostError:
        """Describe a guest that is still there: where it stands.

        Before it was ready also what it was started with and what else to try.
        """
        seen = _seen(self._guest, limit=reason)
        if seen.cause.kind != PANIC and (standing := self._guest.standing()):
            message = f"{message}; {standing}"
        if self.doing != _BOOTING or seen.cause.witness == "console":
            return _lost(self._guest, seen, reason, message)
        return _lost(
            self._guest,
            seen,
            reason,
            f"{message}; {where_the_boot_stood(seen.console)}; it was "
            f"tried with QEMU {self._guest.emulator}: {self._guest.execution}; try another QEMU "
            "(--qemu PATH or SUITE) and the kernel without the series (--upto 0): "
            "which of them goes on tells what is at fault",
        )

    def _fresh_silence(self) -> Deadline:
        return Deadline.after(self._limits.silence_s, "a sign of life")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def lost_by_exit(guest: Guest, status: int, doing: str) -> GuestLostError | HostError:
    """Describe a QEMU that ended before its guest was done."""
    said = console_tail(guest.emulator_log).strip()
    last = said.splitlines()[-1] if said else ""
    if status > 0 and last and _size(guest.console) == 0:
        return HostError(
            f"QEMU {guest.emulator} did not start (exit {status}): {last}; "
            "`buddylab doctor` lists what this host lacks, --qemu selects another QEMU"
        )
    if status == -signal.SIGXFSZ:
        grown = max((guest.console, guest.results, guest.reader.path), key=_size)
        most_mib = GUEST_FILE_BYTES_MAX >> 20
        return lost(
            guest, "exit", f"{grown.name} grew beyond {most_mib} MiB {doing}; QEMU was ended"
        )
    why = f" ({last})" if last else ""
    by = f" ({signal.strsignal(-status)})" if status < 0 else ""
    ended = f"QEMU ended with status {status}{by} {doing}"
    seen = _seen(guest, exit_status=status)
    if seen.cause.witness != "console":
        ended += f" ({seen.cause.meaning})" if seen.cause.meaning else ""
        why += f"; {where_the_boot_stood(seen.console)}" if doing == _BOOTING else ""
    return _lost(guest, seen, "exit", f"{ended}{why}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What there was to see of a lost guest, and the verdict on it."""

    console: str
    cause: Cause


def _seen(guest: Guest, *, exit_status: int | None = None, limit: str = "") -> _Seen:
    tail = console_tail(guest.console)
    events = [
        one
        for one in parse_events(guest.events())
        if not (guest.stops_itself and one.name in _OWN_STOP)
    ]
    signs = Signs(console=tail, events=events, exit_status=exit_status, limit=limit)
    return _Seen(console=tail, cause=verdict(signs))


def lost(guest: Guest, reason: str, message: str) -> GuestLostError:
    """Describe a loss; what the console or QEMU says about its cause goes into the message."""
    return _lost(guest, _seen(guest, limit=reason), reason, message)


def _lost(guest: Guest, seen: _Seen, reason: str, message: str) -> GuestLostError:
    cause = seen.cause
    if cause.kind == PANIC:
        reason = PANIC
    if cause.evidence and cause.evidence not in message:
        meaning = f", {cause.meaning}" if cause.meaning and cause.meaning not in message else ""
        told = f"{cause.evidence}{meaning} ({cause.fingerprint})"
        message = f"{message}; {cause.witness}: {told}"
    last = "\n".join(before_traces(seen.console).splitlines()[-CONSOLE_TAIL_LINES:])
    return GuestLostError(
        reason, f"{message}; the whole console is in {guest.console}", console_tail=last
    )


def console_tail(path: Path) -> str:
    """Return the end of a console, printable."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _CONSOLE_TAIL_BYTES))
            raw = file.read()
    except FileNotFoundError:
        return ""
    text = raw.decode("utf-8", errors="replace").replace("\r", "")
    return "".join(char if char.isprintable() or char == "\n" else "?" for char in text)
