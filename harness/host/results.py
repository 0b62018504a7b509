# SPDX-License-Identifier: GPL-2.0-only
"""What a guest sends home: archives of a machine that is not trusted, complete or not at all."""

import io
import re
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from harness.errors import RecordError
from harness.host.files import sha256_file
from harness.limits import GUEST_FILE_BYTES_MAX
from harness.values import SUMS

_MAX_FILE_BYTES = 128 << 20
_MAX_FILES = 10_000
_MAX_DEPTH = 4
# tarfile raises the latter two over some headers that are damaged.
_DAMAGED = (tarfile.TarError, ValueError, OverflowError)
_SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,127}")


def unpack(stream: BinaryIO, stages: Sequence[str], target: Path) -> None:
    """Unpack concatenated tar archives of a guest, which is not trusted.

    Only regular files below the name of a stage are written, and only into an absent
    or empty directory of that name.
    """
    for name in stages:
        shutil.rmtree(target / name, ignore_errors=True)
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    if size > GUEST_FILE_BYTES_MAX:
        raise RecordError(
            f"the guest sent {size} bytes of results, more than {GUEST_FILE_BYTES_MAX}"
        )
    if size == 0:
        raise RecordError("the guest said done but sent no results; its image is damaged")
    try:
        # ignore_zeros: the archives follow each other. It also skips what is no header; the
        # checksums tell whether anything of worth was skipped.
        with tarfile.open(fileobj=stream, mode="r:", ignore_zeros=True) as archive:
            for count, member in enumerate(archive):
                if count >= _MAX_FILES:
                    raise RecordError(f"the guest sent more than {_MAX_FILES} files")
                _unpack_member(archive, member, stages, target)
    except _DAMAGED as error:
        raise RecordError(
            f"the guest's results are cut short or damaged ({error}); "
            "the stream is kept beside the console log; run again"
        ) from error


def _unpack_member(
    archive: tarfile.TarFile, member: tarfile.TarInfo, stages: Sequence[str], target: Path
) -> None:
    parts = member.name.split("/")
    if parts[0] not in stages or len(parts) > _MAX_DEPTH or not all(map(_is_safe, parts)):
        raise RecordError(
            f"the guest's results hold {member.name!r}, outside of its stages; refused"
        )
    if member.isdir():
        return
    # A sparse file is longer than what came of it.
    is_plain = member.isreg() and not member.issparse()
    if not is_plain or len(parts) == 1 or member.size > _MAX_FILE_BYTES:
        raise RecordError(
            f"the guest's results hold {member.name!r} of type {member.type!r} and "
            f"{member.size} bytes; only regular files up to {_MAX_FILE_BYTES} bytes are taken"
        )
    content = archive.extractfile(member)
    path = target.joinpath(*parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("xb") as file:
            shutil.copyfileobj(content, file) if content else None
    except FileExistsError:
        raise RecordError(f"the guest sent {member.name!r} twice; refused") from None


def members_below(stream: BinaryIO, folder: str) -> dict[str, bytes]:
    """Read the files right below `folder` (STAGE/NAME) of a stream that may still grow.

    By their path without STAGE/; RecordError if one is given twice or is larger than any text.
    """
    found: dict[str, bytes] = {}
    stage, _, _ = folder.partition("/")
    try:
        with tarfile.open(fileobj=stream, mode="r:", ignore_zeros=True) as archive:
            for member in archive:
                if not member.isreg() or member.name.rpartition("/")[0] != folder:
                    continue
                path = member.name.removeprefix(f"{stage}/")
                content = archive.extractfile(member)
                if path in found or not 0 <= member.size <= _MAX_FILE_BYTES or content is None:
                    raise RecordError(
                        f"the guest sent {member.name!r} twice, or too large; refused"
                    )
                found[path] = content.read()
    except _DAMAGED as error:
        raise RecordError(
            f"what the guest sent in advance in {folder} is damaged ({error}); run again"
        ) from error
    return found


def _is_safe(part: str) -> bool:
    return _SAFE_NAME.fullmatch(part) is not None


def check_complete(raw: Path, stages: Sequence[str]) -> None:
    """Compare each stage's files with its own checksums, both ways."""
    for name in stages:
        folder = raw / name
        expected = _read_sums(folder)
        present = {
            path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
        } - {SUMS}
        if missing := sorted(expected.keys() - present):
            raise RecordError(f"stage {name} lacks {', '.join(missing[:5])}; run again")
        if extra := sorted(present - expected.keys()):
            raise RecordError(f"stage {name} holds {', '.join(extra[:5])}, not in its {SUMS}")
        for relative, digest in expected.items():
            if sha256_file(folder / relative) != digest:
                raise RecordError(
                    f"stage {name}: {relative} is not what its {SUMS} says; run again"
                )


def _read_sums(folder: Path) -> dict[str, str]:
    try:
        text = (folder / SUMS).read_text()
    except (FileNotFoundError, NotADirectoryError):
        raise RecordError(
            f"stage {folder.name} has no {SUMS}: its results did not arrive whole; run again"
        ) from None
    sums = {}
    for line in text.splitlines():
        digest, separator, relative = line.partition("  ")
        if not separator or not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise RecordError(f"stage {folder.name}: {SUMS} holds {line[:120]!r}; run again")
        sums[relative] = digest
    if not sums or not text.endswith("\n"):
        raise RecordError(f"stage {folder.name}: {SUMS} is empty or cut short; run again")
    return sums
