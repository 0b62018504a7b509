# SPDX-License-Identifier: GPL-2.0-only
"""Files and small trees of files: digested, written whole or not at all, removed."""

import hashlib
import os
import re
import secrets
import shutil
from pathlib import Path

from harness.digest import sha256_text
from harness.errors import UserError
from harness.host.disk import written

_CHUNK_BYTES = 1 << 20
_TOKEN_BYTES = 4


def sha256_file(path: Path) -> str:
    """Digest a file's content."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_tree(root: Path) -> str:
    """Digest the names, kinds and contents below `root` (small trees: our own assets)."""
    parts = []
    for path in sorted(root.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            mode = "x" if os.access(path, os.X_OK) else "-"
            parts += [path.relative_to(root).as_posix(), mode, sha256_file(path)]
    return sha256_text(*parts)


def atomic_write(path: Path, content: bytes | str) -> None:
    """Write `path` whole or not at all."""
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    # A process number is no name: in another container, another process has it.
    partial = path.with_name(f".{path.name}.{secrets.token_hex(_TOKEN_BYTES)}")
    try:
        with written(path):
            partial.write_bytes(data)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def is_partial(path: Path) -> bool:
    """Whether a killed `atomic_write` left this."""
    return re.fullmatch(rf"\..+\.[0-9a-f]{{{2 * _TOKEN_BYTES}}}", path.name) is not None


def drop_lines(path: Path, having: bytes) -> None:
    """Remove from a text, if it is there, the lines that have something in them."""
    content = path.read_bytes() if path.exists() else b""
    rest = b"".join(line for line in content.splitlines(keepends=True) if having not in line)
    if rest != content:
        path.write_bytes(rest)


def files_below(folder: Path) -> list[Path]:
    """Return all files below `folder`, in order; none where it is not there.

    Raises UserError for what cannot be listed: Path.glob would pass over it.
    """

    def told(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise UserError(
                f"{error.filename} cannot be read ({error.strerror}); give yourself the right to "
                "read all that is there, or name another place"
            ) from error

    found = [
        Path(place, name) for place, _, names in os.walk(folder, onerror=told) for name in names
    ]
    return sorted(path for path in found if path.is_file())


def contents(folder: Path) -> dict[str, bytes]:
    """Read all files below `folder`: path inside -> content, in order."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files_below(folder)}


def remove_tree(path: Path) -> None:
    """Remove a directory of ours, if it is there."""
    if path.exists():
        shutil.rmtree(path)
