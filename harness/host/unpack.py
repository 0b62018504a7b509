# SPDX-License-Identifier: GPL-2.0-only
"""Archives are listed and judged before anything of them is written."""

import lzma
import posixpath
import tarfile
import zlib
from pathlib import Path

from harness.errors import UserError
from harness.host.command import CommandFailedError, require, run
from harness.host.deadline import Deadline

UNPACK_LIMIT_S = 1200.0
MEMBERS_MAX = 500_000
BYTES_MAX = 16 << 30


def unpack(archive: Path, target: Path) -> Path:
    """Unpack `archive` below `target` and return its single top directory.

    Raises UserError for a torn archive, a member or link outside its root, a device, or
    more than one top directory; nothing is written then.
    """
    top = _judge(archive)
    require("tar")
    target.mkdir(parents=True, exist_ok=True)
    argv = [
        "tar",
        "--extract",
        "--no-same-owner",
        "--file",
        str(archive),
        "--directory",
        str(target),
    ]
    try:
        run(argv, deadline=Deadline.after(UNPACK_LIMIT_S, f"unpacking {archive.name}"))
    except CommandFailedError as error:
        raise UserError(f"{archive} cannot be unpacked: {error.tail}; get it again") from error
    return target / top


def _judge(archive: Path) -> str:
    tops: set[str] = set()
    total = 0
    try:
        with tarfile.open(archive, "r|*") as members:
            for count, member in enumerate(members, start=1):
                _refuse_escape(archive, member)
                tops.add(member.name.removeprefix("./").partition("/")[0])
                total += member.size
                if count > MEMBERS_MAX or total > BYTES_MAX:
                    raise UserError(f"{archive} is too large for a kernel source when unpacked")
    # tarfile raises ValueError and OverflowError over some headers that are damaged.
    except (
        *(tarfile.TarError, lzma.LZMAError, zlib.error),
        *(EOFError, OSError, ValueError, OverflowError),
    ) as error:
        raise UserError(
            f"{archive} is truncated or not an archive ({error}); download it again"
        ) from error
    tops.discard("pax_global_header")
    if len(tops) != 1:
        raise UserError(
            f"{archive} has {len(tops)} top directories; a kernel archive has one (linux-X.Y.Z)"
        )
    return tops.pop()


def _refuse_escape(archive: Path, member: tarfile.TarInfo) -> None:
    if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
        raise UserError(f"{archive} holds {member.name}, which is no file; it was not unpacked")
    paths = [member.name]
    if member.issym():
        paths.append(posixpath.join(posixpath.dirname(member.name), member.linkname))
    if member.islnk():
        paths.append(member.linkname)
    for path in paths:
        normal = posixpath.normpath(path)
        if posixpath.isabs(path) or normal == ".." or normal.startswith("../"):
            raise UserError(
                f"{archive} holds {member.name!r}, which leaves the archive's root; "
                "it was not unpacked: do not trust this file"
            )
        if member.issym() and posixpath.isabs(member.linkname):
            raise UserError(
                f"{archive} holds an absolute link {member.name!r}; it was not unpacked"
            )
