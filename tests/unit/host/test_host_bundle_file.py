# SPDX-License-Identifier: GPL-2.0-only
"""A bundle's file: the same bytes each time, and no byte of it can change unseen."""

import gzip
import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from harness.errors import StageError, UserError
from harness.host import bundle_file
from harness.host.bundle_file import DOCUMENT, INITRAMFS, MEMBERS, SUMS, VMLINUX, read, write

TEXTS = {DOCUMENT: b'{"schema": 1}\n', INITRAMFS: b"070701" * 150, VMLINUX: b"\x7fELF" * 200}


def digest(name: str) -> str:
    return hashlib.sha256(TEXTS[name]).hexdigest()


def told_by(_document: bytes) -> dict[str, str]:
    return {VMLINUX: digest(VMLINUX), INITRAMFS: digest(INITRAMFS)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    for name in (INITRAMFS, VMLINUX):
        (tmp_path / name).write_bytes(TEXTS[name])
    files = {name: (tmp_path / name, digest(name)) for name in (INITRAMFS, VMLINUX)}
    write(tmp_path / "it.tar", TEXTS[DOCUMENT], files)
    return tmp_path / "it.tar"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def emptied(target: Path) -> Path:
    for path in target.iterdir():
        path.unlink()
    return target


def test_what_was_packed_comes_out(path: Path, target: Path) -> None:
    document, found = read(path, target, told_by)
    assert document == TEXTS[DOCUMENT]
    assert {name: (target / name).read_bytes() for name in TEXTS} == TEXTS
    assert {name: found[name] for name in TEXTS} == {name: digest(name) for name in TEXTS}


def test_any_tar_reads_it_and_it_tells_nothing_of_its_maker(path: Path) -> None:
    with tarfile.open(path, "r:") as archive:
        members = archive.getmembers()
        assert [member.name for member in members] == list(MEMBERS)
        assert {(member.mtime, member.uid, member.uname, member.mode) for member in members} == {
            (0, 0, "", 0o644)
        }
        content = archive.extractfile(VMLINUX)
        assert content is not None
        assert content.read() == TEXTS[VMLINUX]


def test_every_changed_byte_is_found_and_its_member_named(path: Path, target: Path) -> None:
    whole = path.read_bytes()
    with tarfile.open(path, "r:") as archive:
        places = {member.name: (member.offset_data, member.size) for member in archive}
    changed = path.with_name("changed.tar")
    for at in range(len(whole)):
        flipped = bytearray(whole)
        flipped[at] ^= 0x40
        changed.write_bytes(flipped)
        inside = [name for name, (start, size) in places.items() if start <= at < start + size]
        with pytest.raises(UserError) as caught:
            read(changed, emptied(target), told_by)
        message = str(caught.value)
        assert str(changed) in message
        if inside and inside[0] != SUMS:
            assert f"{inside[0]}: expected sha256 " in message or inside[0] == DOCUMENT
            assert inside[0] in message
        elif inside:
            assert SUMS in message or DOCUMENT in message


def test_expected_and_found_are_told(path: Path, target: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content.replace(b"\x7fELF" * 200, b"\x7fELF" * 199 + b"\x7fElF"))
    found = hashlib.sha256(b"\x7fELF" * 199 + b"\x7fElF").hexdigest()
    said = f"vmlinux: expected sha256 {digest(VMLINUX)}, found {found}; nothing was run"
    with pytest.raises(UserError, match=said):
        read(path, target, told_by)


@pytest.mark.parametrize("cut", [0, 1, 511, 512, 700, 1600, 2600, -1025, -1024, -513, -1])
def test_a_bundle_cut_short_is_refused(path: Path, target: Path, cut: int) -> None:
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(UserError, match="get the bundle again"):
        read(path, target, told_by)


def test_what_follows_its_end_is_refused(path: Path, target: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(UserError, match="its end is not as"):
        read(path, target, told_by)


def tar_of(name: str, kind: bytes = tarfile.REGTYPE, **extra: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo(name)
        info.type, info.pax_headers, info.size = kind, extra, 0
        archive.addfile(info)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        tar_of("../../escape"),
        tar_of("/etc/passwd"),
        tar_of("sha256sums", tarfile.SYMTYPE),
        tar_of("sha256sums", tarfile.GNUTYPE_SPARSE),
        tar_of("sha256sums", comment="x" * 9000),
        b"not a tar at all",
    ],
    ids=["outside", "absolute", "link", "sparse", "pax", "noise"],
)
def test_what_a_stranger_may_send_is_refused(tmp_path: Path, target: Path, content: bytes) -> None:
    (tmp_path / "x.tar").write_bytes(content)
    with pytest.raises(UserError, match="is no bundle, or was changed: the header of sha256sums"):
        read(tmp_path / "x.tar", target, told_by)
    assert not (tmp_path / "escape").exists()
    assert not any(path.is_symlink() for path in target.iterdir())


def test_a_compressed_bundle_is_no_bundle(path: Path, target: Path) -> None:
    path.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(UserError, match="is no bundle"):
        read(path, target, told_by)


def test_a_member_that_claims_too_much_is_refused_unread(path: Path, target: Path) -> None:
    header = bundle_file._header(SUMS, 1 << 30)
    path.write_bytes(header)
    with pytest.raises(UserError, match=r"sha256sums of 1073741824 bytes is more than 4096"):
        read(path, target, told_by)


def test_a_file_that_changed_since_is_not_packed(tmp_path: Path, path: Path) -> None:
    wrong = {name: (tmp_path / name, "0" * 64) for name in (INITRAMFS, VMLINUX)}
    with pytest.raises(StageError, match=f"{tmp_path / INITRAMFS} was altered since it was made"):
        write(tmp_path / "other.tar", b"{}", wrong)
    assert not list(tmp_path.glob("*other*"))
    assert path.exists()
