# SPDX-License-Identifier: GPL-2.0-only
"""A QEMU as files that can be sent to a host which has another one, or none.

They are laid out as in a package, so that harness.host.emulator finds firmware and modules beside
the program. The libraries are the host's: a program that they do not serve is refused there.
"""

from dataclasses import dataclass
from pathlib import Path

from harness.digest import sha256_text
from harness.engines.facts import Qemu, qemu_of
from harness.engines.store import Artefact, Store, artefact
from harness.errors import HarnessError, HostError
from harness.host import emulator
from harness.host.cache import Cache
from harness.host.emulator import Emulator
from harness.host.files import remove_tree, sha256_file

_KIND = "emulators"


@dataclass(frozen=True, slots=True, kw_only=True)
class QemuFiles:
    """The submitter's QEMU: what it is, and its files by where they belong."""

    qemu: Qemu
    program: str  # its place
    files: tuple[tuple[str, Artefact], ...]  # place, file


def qemu_files(used: Emulator) -> QemuFiles:
    """Describe the program, its firmware, and the modules that hold its accelerators."""
    program = f"bin/{used.program.name}"
    found = {program: used.program}
    found |= {f"share/qemu/{path.name}": path for path in used.firmware()}
    found |= {f"lib/{used.arch.debian}/qemu/{path.name}": path for path in used.accelerators()}
    files = [(place, path.resolve()) for place, path in found.items()]
    return QemuFiles(
        qemu=qemu_of(used),
        program=program,
        files=tuple((place, artefact(path, sha256_file(path))) for place, path in files),
    )


def laid_out(wanted: QemuFiles, store: Store, cache: Cache) -> Path:
    """Return the program on this host, out of the store's files; HostError if it does not serve."""
    key = sha256_text(*(f"{place} {file.digest}" for place, file in wanted.files))
    entry = cache.entry(_KIND, key)
    if not (entry / wanted.program).is_file():
        with cache.locked(_KIND), cache.building("emulator") as scratch:
            for place, file in wanted.files:
                path = store.find(file)
                if path is None:
                    raise HostError(f"{file.path} did not arrive; give the same command again")
                target = scratch / "entry" / place
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes())
                target.chmod(0o755)
            entry.parent.mkdir(parents=True, exist_ok=True)
            remove_tree(entry)
            (scratch / "entry").rename(entry)
    _require_serves(entry / wanted.program, wanted.qemu, cache)
    return entry / wanted.program


def _require_serves(program: Path, wanted: Qemu, cache: Cache) -> None:
    try:
        with emulator.using(program):
            found = qemu_of(emulator.find(cache))
    except HarnessError as error:
        raise HostError(
            f"QEMU {wanted.version}, as it was sent, does not run on this host's libraries "
            f"({error}); install that version there"
        ) from error
    if found != wanted:
        raise HostError(
            f"QEMU {wanted.version}, as it was sent, is not the same on this host: {found}, was "
            f"{wanted}; install that version there"
        )
