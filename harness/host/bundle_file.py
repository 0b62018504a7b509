# SPDX-License-Identifier: GPL-2.0-only
"""A bundle's file: a plain tar archive of four members, the same bytes for the same content.

    sha256sums       of the other three
    bundle.json      what executes, where it came from, what must come of it
    initramfs.cpio
    vmlinux

It is not compressed, for a compressor's next version would give other bytes; nor written by a
library, whose next version may fill a header's unused fields otherwise. A bundle may be a
stranger's: members have their one place and one form, their sizes have limits, and each byte of
the file is digested or is what this module would have written itself.
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from harness.digest import sha256_bytes
from harness.errors import StageError, UserError

SUMS = "sha256sums"
DOCUMENT = "bundle.json"
INITRAMFS = "initramfs.cpio"
VMLINUX = "vmlinux"
MEMBERS = (SUMS, DOCUMENT, INITRAMFS, VMLINUX)
_LIMIT_BYTES = {SUMS: 4 << 10, DOCUMENT: 64 << 20, INITRAMFS: 1 << 30, VMLINUX: 1 << 30}
_BLOCK = 512
_END = bytes(2 * _BLOCK)
_CHUNK_BYTES = 1 << 20
_SIZE_AT = slice(124, 136)
_SIZE = re.compile(rb"[0-7]{11}\0")
_SUM_LINE = re.compile(r"([0-9a-f]{64})  (\S+)")


def write(path: Path, document: bytes, files: Mapping[str, tuple[Path, str]]) -> None:
    """Write a bundle, whole or not at all.

    `files` are the last two members: where they lie, and the digest that each must have; it is
    taken again as they are copied, StageError if it is another.
    """
    digests = {DOCUMENT: sha256_bytes(document)} | {name: files[name][1] for name in files}
    sums = "".join(f"{digests[name]}  {name}\n" for name in MEMBERS[1:]).encode()
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("xb") as file:
            for name, content in ((SUMS, sums), (DOCUMENT, document)):
                file.write(_header(name, len(content)) + content + _padding(len(content)))
            for name in MEMBERS[2:]:
                _copy(files[name][0], file, name, digests[name])
            file.write(_END)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read(
    path: Path, target: Path, told_by: Callable[[bytes], Mapping[str, str]]
) -> tuple[bytes, dict[str, str]]:
    """Unpack the last two members below `target`; return the document and all digests found.

    `told_by` reads from the document which digests it names for them. UserError says which
    member was changed, what was expected and what was found.
    """
    found: dict[str, str] = {}
    small = {SUMS: b"", DOCUMENT: b""}
    with path.open("rb") as file:
        for name in MEMBERS:
            size, digest = _size(file, name, path), hashlib.sha256()
            with (target / name).open("xb") as out:
                for chunk in _content(file, size, name, path):
                    digest.update(chunk)
                    out.write(chunk)
            if name in small:
                small[name] = (target / name).read_bytes()
            found[name] = digest.hexdigest()
            if file.read(len(_padding(size))) != _padding(size):
                raise _strange(path, f"the end of {name}")
        if file.read(len(_END) + 1) != _END:
            raise _strange(path, "its end")
    _require_unaltered(path, _sums(small[SUMS], path), found, small[DOCUMENT], told_by)
    return small[DOCUMENT], found


def _require_unaltered(
    path: Path,
    sums: Mapping[str, str],
    found: Mapping[str, str],
    document: bytes,
    told_by: Callable[[bytes], Mapping[str, str]],
) -> None:
    if sums[DOCUMENT] != found[DOCUMENT]:
        raise _altered(path, DOCUMENT, sums[DOCUMENT], found[DOCUMENT])
    # The document is what it was, so it can say which of the others is not.
    for name, expected in told_by(document).items():
        if found[name] != expected:
            raise _altered(path, name, expected, found[name])
        if sums[name] != expected:
            raise _altered(path, f"the line of {name} in {SUMS}", expected, sums[name])


def _altered(path: Path, what: str, expected: str, found: str) -> UserError:
    return UserError(
        f"{path} was changed: {what}: expected sha256 {expected}, found {found}; nothing was run, "
        "get the bundle again"
    )


def _strange(path: Path, where: str) -> UserError:
    return UserError(
        f"{path} is no bundle, or was changed: {where} is not as `buddylab bundle` writes it; "
        "get the bundle again"
    )


def _header(name: str, size: int) -> bytes:
    """Return the ustar header (POSIX.1-1988) of a file that nobody owns, of no time."""
    parts = (
        name.encode().ljust(100, b"\0"),
        b"0000644\0" + b"0000000\0" * 2,
        b"%011o\0" % size,
        b"%011o\0" % 0,
        b" " * 8,  # the checksum's place
        b"0".ljust(101, b"\0"),
        b"ustar\x0000",
        bytes(64),
        b"0000000\0" * 2,
    )
    header = b"".join(parts).ljust(_BLOCK, b"\0")
    return header.replace(b" " * 8, b"%06o\0 " % sum(header), 1)


def _padding(size: int) -> bytes:
    return bytes(-size % _BLOCK)


def _size(file: BinaryIO, name: str, path: Path) -> int:
    """Read the header that must come next, and what it says of its member's size."""
    header = file.read(_BLOCK)
    text = header[_SIZE_AT]
    size = int(text[:-1], 8) if _SIZE.fullmatch(text) else -1
    if size < 0 or header != _header(name, size):
        raise _strange(path, f"the header of {name}")
    if size > _LIMIT_BYTES[name]:
        raise UserError(f"{path}: {name} of {size} bytes is more than {_LIMIT_BYTES[name]}")
    return size


def _content(file: BinaryIO, size: int, name: str, path: Path) -> Iterator[bytes]:
    while size:
        chunk = file.read(min(size, _CHUNK_BYTES))
        if not chunk:
            raise UserError(f"{path} is cut short in {name}; get the bundle again")
        size -= len(chunk)
        yield chunk


def _copy(source: Path, file: BinaryIO, name: str, expected: str) -> None:
    digest = hashlib.sha256()
    with source.open("rb") as content:
        size = os.fstat(content.fileno()).st_size
        file.write(_header(name, size))
        for chunk in _content(content, size, name, source):
            digest.update(chunk)
            file.write(chunk)
    file.write(_padding(size))
    if digest.hexdigest() != expected:
        raise StageError(
            "bundle",
            f"{source} was altered since it was made: sha256 {digest.hexdigest()[:16]}, was "
            f"{expected[:16]}; remove {source.parent} and make it again",
        )


def _sums(content: bytes, path: Path) -> dict[str, str]:
    lines = content.decode("ascii", errors="replace").split("\n")
    matches = [_SUM_LINE.fullmatch(line) for line in lines[:-1]]
    sums = {match[2]: match[1] for match in matches if match}
    if tuple(sums) != MEMBERS[1:] or len(matches) != len(sums) or lines[-1]:
        raise _strange(path, SUMS)
    return sums
