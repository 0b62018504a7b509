# SPDX-License-Identifier: GPL-2.0-only
"""What guests are made of, on a host that did not make it: files by their digests.

    artefacts/<sha256>    in the host's cache; whole and verified, or absent

A file that the host can read where the submitter has it (the same machine, a shared file system)
is used there and not copied.
"""

import logging
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import RecordError
from harness.host.files import sha256_file

logger = logging.getLogger("cluster")

_Form = tuple[str, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """A file: what it is, and where its submitter has it."""

    digest: str
    size_bytes: int
    path: Path


def artefact(path: Path, digest: str) -> Artefact:
    """Describe a file whose digest is known."""
    return Artefact(digest=digest, size_bytes=path.stat().st_size, path=path)


@dataclass(slots=True)
class Store:
    """The artefacts of one host."""

    root: Path
    _verified: set[_Form] = field(default_factory=set)

    def find(self, wanted: Artefact) -> Path | None:
        """Return where the file is on this host, verified; None if it is not here.

        A copy of ours that was altered is told and removed.
        """
        kept = self.root / wanted.digest
        if self._is(kept, wanted):
            return kept
        if kept.exists():
            logger.warning("%s is not what its name says; removed, to be sent again", kept)
            kept.unlink()
        return wanted.path if self._is(wanted.path, wanted) else None

    def doubt(self) -> None:
        """Verify everything again when it is asked for next."""
        self._verified.clear()

    def receive(self, wanted: Artefact, sender: str, at: int, chunk: bytes) -> None:
        """Take the part of a file that begins at byte `at`; with the last one it is verified.

        RecordError if it is not what was announced.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        part = self.root / f".{wanted.digest[:16]}-{sender}.part"
        with part.open("r+b" if at else "wb") as file:
            file.seek(at)
            file.write(chunk)
        if at + len(chunk) >= wanted.size_bytes:
            self.adopt(wanted, part)

    def adopt(self, wanted: Artefact, part: Path) -> None:
        """Keep a file that has arrived whole, if it is what was announced; else RecordError."""
        found = sha256_file(part)
        if found != wanted.digest:
            part.unlink()
            raise RecordError(
                f"{wanted.path} did not arrive as it was sent: sha256 {found[:16]}, announced "
                f"{wanted.digest[:16]}; it is sent again"
            )
        part.chmod(0o755)  # one of them is a program
        part.replace(self.root / wanted.digest)

    def _is(self, path: Path, wanted: Artefact) -> bool:
        try:
            found = path.stat()
            form = (wanted.digest, found.st_ino, found.st_size, found.st_mtime_ns)
            if form in self._verified:
                return True
            if found.st_size != wanted.size_bytes or sha256_file(path) != wanted.digest:
                return False
        except OSError:
            return False
        self._verified.add(form)
        return True
