# SPDX-License-Identifier: GPL-2.0-only
"""Work for engines whose guests are a wait: what it gives can be foretold, and spoilt."""

import os
import signal
import time
from collections.abc import Collection, Generator
from dataclasses import dataclass, replace
from pathlib import Path

from harness.digest import sha256_text
from harness.errors import HostError
from harness.host.files import sha256_file
from harness.jobs.runner import Outcome, Place, Task
from harness.stages.boot_files import BootFiles, require_unaltered


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a unit gave, and which process made it."""

    unit: str
    digest: str
    pid: int
    text: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """Units that take `unit_s` each; `folder` has files that say what is to go wrong."""

    names: tuple[str, ...]
    folder: Path
    unit_s: float = 0.0
    texts: int = 0  # bytes of a unit's

    @property
    def units(self) -> tuple[str, ...]:
        return self.names

    def only(self, units: Collection[str]) -> "Waits":
        return replace(self, names=tuple(name for name in self.names if name in units))

    def execute(self, what: BootFiles, place: Place) -> Generator[Made, None, None]:
        require_unaltered(what)
        mine = str(os.getpid())
        if (self.folder / "lacks").exists() and mine in (self.folder / "lacks").read_text():
            raise HostError("no space is left on this host")
        for name in self.names:
            self._spoilt(name)
            end_s = time.monotonic() + self.unit_s
            while time.monotonic() < end_s:
                place.check_stop()
                time.sleep(min(0.5, max(0.0, end_s - time.monotonic())))
            inexact = self.folder / "inexact"
            odd = inexact.exists() and mine == inexact.read_text()
            digest = sha256_text(name, mine if odd else "")
            text = os.urandom(self.texts)
            yield Made(unit=name, digest=digest, pid=os.getpid(), text=text)

    def _spoilt(self, name: str) -> None:
        deadly = self.folder / f"kill-{name}"
        if deadly.exists():
            if deadly.read_text() == "once":
                deadly.unlink()
            os.kill(os.getpid(), signal.SIGKILL)

    def outcome(self, produced: Made) -> Outcome:
        return Outcome(unit=produced.unit, digest=produced.digest)


def tasks(
    folder: Path,
    count: int,
    units: int,
    *,
    unit_s: float = 0.0,
    texts: int = 0,
    sizes: tuple[int, int] = (6, 4),
) -> list[Task]:
    """Return `count` tasks of so many units each; their files, of so many bytes, in `folder`."""
    files = [folder / "vmlinux", folder / "initramfs.cpio"]
    for path, size in zip(files, sizes, strict=True):
        path.write_bytes(path.name.encode().ljust(size, b"."))
    kernel, initrd = files
    what = BootFiles(
        kernel=kernel,
        initrd=initrd,
        vmlinux_digest=sha256_file(kernel),
        initramfs_digest=sha256_file(initrd),
    )
    return [
        Task(
            title=f"task {number}",
            what=what,
            memory_mib=1,
            work=Waits(
                names=tuple(f"{number}-{unit}" for unit in range(units)),
                folder=folder,
                unit_s=unit_s,
                texts=texts,
            ),
        )
        for number in range(count)
    ]
