# SPDX-License-Identifier: GPL-2.0-only
"""Style as a test: what is tracked has its licence, its size and no leavings."""

import re
import subprocess  # noqa: TID251 - asks git for the tracked files, nothing else does here
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPDX = "SPDX-License-Identifier: GPL-2.0-only"
SOURCE_SUFFIXES = {".py", ".sh", ".c", ".h", ".j2", ".toml", ".config", ".yml", ".yaml"}
SOURCE_NAMES = {"Makefile", "Kbuild", "init", "run", ".editorconfig"}
# What has no line of its own: mails and edits of kernel files, and what others wrote or measured.
WITHOUT_SPDX = (
    *("patches/", "tests/mutants/", "tests/fake_kernel/mm/"),
    *("tests/data/", "docs/", "vm/guest/etc/"),
)
AS_THEY_CAME = ("patches/", "tests/mutants/", "tests/data/", "docs/results/")
BLOB_BYTES_MAX = 256 << 10
# The arms of a comparison over many seeds, zipped; docs/results/README.md says what they are.
LARGE_BLOBS = re.compile(r"docs/results/[\w.-]+/results\.json\.gz")
# Left behind by an editor, by patch, by git, by checkpatch.
LEAVINGS = re.compile(r"(\.orig|\.rej|\.bak|\.swp|~)$|(^|/)(\.checkpatch-|\.DS_Store)|\.git\.$")
# A home directory of the machine this was written on; the guest's own is /root.
HOME = re.compile(rb"(?<![\w.])/(root/\.|home/\w|Users/\w)")
GUEST = "vm/guest/"


def tracked() -> list[str]:
    """List the tracked files that are there, as paths below ROOT."""
    done = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, timeout=30, check=False
    )
    if done.returncode:
        pytest.skip("not a git checkout")
    names = done.stdout.decode().split("\0")
    return [name for name in names if name and (ROOT / name).is_file()]


def is_source(name: str, first_bytes: bytes) -> bool:
    path = Path(name)
    if name.startswith(WITHOUT_SPDX):
        return False
    known = path.suffix in SOURCE_SUFFIXES or path.name in SOURCE_NAMES
    return known or first_bytes.startswith(b"#!")


def test_each_source_file_names_its_licence_first() -> None:
    sources, without = 0, []
    for name in tracked():
        lines = (ROOT / name).read_bytes().splitlines()[:2]
        if not is_source(name, lines[0] if lines else b""):
            continue
        sources += 1
        first = lines[1] if lines and lines[0].startswith(b"#!") else lines[0]
        if SPDX.encode() not in first:
            without.append(name)

    assert without == []
    assert sources > 200  # the harness alone has more than half of them


def test_the_licence_is_gpl_2() -> None:
    text = (ROOT / "LICENSE").read_text()

    assert text.split()[:6] == ["GNU", "GENERAL", "PUBLIC", "LICENSE", "Version", "2,"]
    assert "END OF TERMS AND CONDITIONS" in text


def test_no_tracked_file_is_empty_or_a_large_blob() -> None:
    sizes = {name: (ROOT / name).stat().st_size for name in tracked()}

    assert [name for name, size in sizes.items() if size == 0] == []
    large = [name for name, size in sizes.items() if size > BLOB_BYTES_MAX]
    assert [name for name in large if not LARGE_BLOBS.fullmatch(name)] == []


def test_lines_end_as_editorconfig_says() -> None:
    ragged = re.compile(rb"[ \t\r]$|[^\n]\Z", re.MULTILINE)
    # Mails and diffs: a context line that is empty is a blank.
    names = [name for name in tracked() if not name.startswith(AS_THEY_CAME)]

    assert [name for name in names if ragged.search((ROOT / name).read_bytes())] == []


def test_nothing_was_left_behind() -> None:
    assert [name for name in tracked() if LEAVINGS.search(name)] == []


@pytest.mark.parametrize(
    "name", [".checkpatch-camelcase.git.", "mm/page_alloc.c.orig", "a.rej", "docs/x.md~"]
)
def test_leavings_are_known(name: str) -> None:
    assert LEAVINGS.search(name)


def test_no_path_of_a_machine_is_tracked() -> None:
    names = [name for name in tracked() if not name.startswith(GUEST)]

    assert [name for name in names if HOME.search((ROOT / name).read_bytes())] == []
