# SPDX-License-Identifier: GPL-2.0-only
"""Where a fault is injected: a cache and a TMPDIR of its own, and what may be left there."""

import os
import re
import shutil
import signal
import subprocess  # noqa: TID251 - the command as a user types it, mount and unshare
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness.host import scratch

if TYPE_CHECKING:
    from faults_guest import Lab

TESTS = Path(__file__).parents[1]
LIMIT_S = 900
_ENDING_S = 20.0
_POLL_S = 0.05
# What the fake kernel is built with, and how.
BUILD = ("build", "--kernel", "linux-5.15.180", "--upto", "0")


@dataclass(frozen=True)
class Done:
    """A command that ended, and what it left behind."""

    status: int
    said: str
    left: tuple[str, ...]


@dataclass
class Bench:
    """One row's place; everything that is started there knows its TMPDIR and is found by it."""

    folder: Path
    cache: Path
    began_s: float = field(default_factory=time.time)
    guests: "Lab | None" = None

    @property
    def lab(self) -> "Lab":
        """The kernel that boots here."""
        assert self.guests is not None
        return self.guests

    def forget_cache(self) -> None:
        """Let the next command find nothing made."""
        shutil.rmtree(self.cache, ignore_errors=True)

    def __post_init__(self) -> None:
        """Lay it out."""
        self.tmp.mkdir(exist_ok=True)
        (self.folder / "home").mkdir(exist_ok=True)
        shutil.copytree(TESTS / "fake_kernel", self.folder / "linux-5.15.180", dirs_exist_ok=True)

    @property
    def tmp(self) -> Path:
        """Its TMPDIR."""
        return self.folder / "t"

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment of a command."""
        own = {
            "BUDDYLAB_CACHE": str(self.cache),
            "BUDDYLAB_SETTINGS": "",
            "HOME": str(self.folder / "home"),
            "PYTHONPATH": str(TESTS.parent),
            "TMPDIR": str(self.tmp),
        }
        return {**os.environ, **own, **(more or {})}

    def start(
        self,
        *words: str | bytes,
        env: Mapping[str, str] | None = None,
        before: str = "",
        stdout: int | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start the command; `before` is done by a shell, in its own process."""
        argv: list[str | bytes] = [sys.executable, "-P", "-m", "harness", *words]
        if before:
            argv = ["sh", "-c", f'{before}\nexec "$@"', "sh", *argv]
        return subprocess.Popen(
            argv,
            cwd=self.folder,
            env=self.environment(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if stdout is None else stdout,
            stderr=subprocess.STDOUT if stdout is None else subprocess.PIPE,
            start_new_session=True,
        )

    def ended(self, process: subprocess.Popen[bytes]) -> Done:
        """Wait for its end, and a little for that of all that it started."""
        out, err = process.communicate(timeout=LIMIT_S)
        end_s = time.monotonic() + _ENDING_S
        while self.processes() and time.monotonic() < end_s:
            time.sleep(_POLL_S)
        said = ((out or b"") + (err or b"")).decode(errors="replace")
        return Done(process.returncode, said, tuple(self.left()))

    def run(
        self,
        *words: str | bytes,
        env: Mapping[str, str] | None = None,
        before: str = "",
        stdout: int | None = None,
    ) -> Done:
        """Run the command to its end."""
        return self.ended(self.start(*words, env=env, before=before, stdout=stdout))

    def killed(
        self, process: subprocess.Popen[bytes], number: signal.Signals, *, waiting: bool = True
    ) -> Done:
        """Signal the command alone, as `kill` does."""
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)
        if waiting:
            return self.ended(process)
        status = process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        return Done(status, "", tuple(self.left()))

    def processes(self) -> list[int]:
        """List what was started here and has not ended."""
        mark = f"TMPDIR={self.tmp}".encode()
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mark in (place / "environ").read_bytes().split(b"\0"):
                    found.append(int(place.name))
        return found

    def left(self) -> Iterator[str]:
        """Name what a command left that is nobody's any more."""
        for pid in self.processes():
            with suppress(OSError):
                name = Path("/proc", str(pid), "comm").read_text().strip()
                yield f"process {name}"
        for place in (self.cache / "tmp", self.tmp):
            with suppress(OSError):
                yield from (path.name for path in place.iterdir())
        for path in Path("/dev/shm").glob(f"{scratch.PREFIX}*"):  # others work there, too
            with suppress(OSError):
                if path.stat().st_mtime >= self.began_s and is_abandoned(path):
                    yield f"/dev/shm/{path.name}"


def build(bench: Bench) -> Done:
    """Build the fake kernel, or take it from the cache."""
    return bench.run(*BUILD)


def is_abandoned(path: Path) -> bool:
    """Whether a scratch directory is nobody's."""
    lock = scratch._abandoned(path)
    if lock is None:
        return False
    os.close(lock)
    return True


@contextmanager
def mounted(place: Path, size: str, *more: str) -> Iterator[Path]:
    """Give a file system of a size."""
    place.mkdir(exist_ok=True)
    options = ",".join((f"size={size}", *more))
    argv = ["mount", "-t", "tmpfs", "-o", options, "buddylab-faults", str(place)]
    subprocess.run(argv, check=True, capture_output=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def shared_memory(size: str) -> str:
    """Return a shell's words that give a command a /dev/shm of its own, of a size."""
    within = 'mount -t tmpfs -o size=$0 none /dev/shm && exec "$@"'
    return f"set -- unshare --mount sh -c '{within}' {size} \"$@\""


def program(folder: Path, name: str, text: str) -> dict[str, str]:
    """Put a shell program before everything on PATH; return the environment for that."""
    place = folder / "bin"
    place.mkdir(exist_ok=True)
    real = shutil.which(name) or "false"
    (place / name).write_text(f"#!/bin/sh\nreal={real}\n{text}\n")
    (place / name).chmod(0o755)
    return {"PATH": f"{place}:{os.environ['PATH']}"}


def without(folder: Path, name: str) -> dict[str, str]:
    """Return an environment in which a program is not installed."""
    place = folder / "lacking"
    place.mkdir(exist_ok=True)
    for directory in reversed(os.environ["PATH"].split(":")):
        for path in Path(directory).glob("*"):
            link = place / path.name
            link.unlink(missing_ok=True)
            if path.name != name:
                link.symlink_to(path)
    return {"PATH": str(place)}


def flipped(path: Path) -> None:
    """Turn one bit in the middle of a file, which gets an inode of its own."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    _replace(path, bytes(content))


def truncated(path: Path) -> None:
    """Cut a file in half."""
    content = path.read_bytes()
    _replace(path, content[: len(content) // 2])


def _replace(path: Path, content: bytes) -> None:
    # Written in place it would reach the entry of another cache that is linked to it.
    mode = path.stat().st_mode
    path.unlink()
    path.write_bytes(content)
    path.chmod(mode)


def only(paths: Iterator[Path]) -> Path:
    """Return the one file that is meant."""
    (found,) = paths
    return found


@contextmanager
def bench(lab: "Lab | None" = None) -> Iterator[Bench]:
    """Give a new bench with an empty cache, or with a kernel's; it is gone afterwards."""
    # Short, for sockets' sake: what is longer is put elsewhere, where others are.
    folder = Path(tempfile.mkdtemp(prefix="bl", dir="/tmp"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        cache = folder / "cache" if lab is None else lab.cache
        yield Bench(folder, cache, guests=lab)


def in_short(said: str, found: str) -> str:
    """Return the line in which something was found, for a table."""
    line = next((line for line in said.splitlines() if re.search(found, line)), "")
    return re.sub(r"(?<!\S)/\S*/", "", line.partition(": ")[2] or line)[:100]


def sized(words: Sequence[str], widths: Sequence[int]) -> str:
    """Return a row of a table."""
    cells = (f"{word[:width]:<{width}}" for word, width in zip(words, widths, strict=True))
    return "  ".join(cells).rstrip()
