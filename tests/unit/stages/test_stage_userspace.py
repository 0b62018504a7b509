# SPDX-License-Identifier: GPL-2.0-only
"""Stubs take the places of libraries that a guest has no use for: what the program asks for."""

import subprocess  # noqa: TID251 - gcc, and the program that loads what it made
from pathlib import Path

import pytest

from harness.errors import StageError
from harness.host.apt import Package
from harness.host.cache import Cache
from harness.host.elf import asked_of, needed
from harness.stages import userspace

# As packagers do it: one library with versions of symbols, one without; more in it than used.
VERSIONS = "KMOD_5 { global: kmod_new; kmod_unref; local: *; };"
PROGRAM = """
void kmod_new(void);
void init_mb_mgr(void);
int main(int count, char **words) {
    if (count > 1) { kmod_new(); init_mb_mgr(); }
    return 0;
}
"""


def gcc(folder: Path, name: str, code: str, *flags: str) -> Path:
    source = folder / f"{name}.c"
    source.write_text(code)
    target = folder / name
    subprocess.run(["gcc", str(source), "-o", str(target), *flags], check=True)
    return target


def packages(tmp_path: Path, number: int, place: str) -> tuple[Path, Path]:
    """Lay out what was unpacked of packages; return it, and a program that uses them."""
    root = tmp_path / "packages"
    libraries = root / place
    libraries.mkdir(parents=True)
    (tmp_path / "map").write_text(VERSIONS)
    kmod = "void kmod_new(void) {} void kmod_unref(void) {}"
    mb = "void init_mb_mgr(void) {} void free_mb_mgr(void) {}"
    for name, code, flag in (
        ("libkmod.so.2", kmod, f"-Wl,--version-script={tmp_path / 'map'}"),
        (f"libIPSec_MB.so.{number}", mb, "-Wl,-O1"),
    ):
        made = gcc(tmp_path, name, code, "-shared", f"-Wl,-soname,{name}", flag)
        made.rename(libraries / name)
    program = gcc(
        tmp_path,
        "program",
        PROGRAM,
        f"-L{libraries}",
        "-Wl,--no-as-needed",
        "-l:libkmod.so.2",
        f"-l:libIPSec_MB.so.{number}",
    )
    return root, program


# Debian 12 and 13: another number, and another place.
@pytest.mark.parametrize(
    ("number", "place"), [(1, "lib/x86_64-linux-gnu"), (2, "usr/lib/x86_64-linux-gnu")]
)
def test_a_stub_is_what_the_program_asks_for(tmp_path: Path, number: int, place: str) -> None:
    root, program = packages(tmp_path, number, place)
    work = tmp_path / "work"
    work.mkdir()

    stubs = userspace._stubs(program, root, work)

    assert stubs.keys() == {"libkmod.so.2", f"libIPSec_MB.so.{number}"}
    assert asked_of(program, stubs["libkmod.so.2"]) == {"kmod_new": "KMOD_5"}
    assert asked_of(program, stubs[f"libIPSec_MB.so.{number}"]) == {"init_mb_mgr": ""}
    assert [needed(stub) for stub in stubs.values()] == [(), ()]
    # The loader takes them for the real ones, and whoever calls them is ended.
    run = [str(program)]
    env = {"LD_LIBRARY_PATH": str(work)}
    assert subprocess.run(run, check=False, env=env).returncode == 0
    assert subprocess.run([*run, "call"], check=False, env=env).returncode == -4


def test_a_library_that_no_package_holds_is_named(tmp_path: Path) -> None:
    root, program = packages(tmp_path, 1, "lib/x86_64-linux-gnu")
    (root / "lib/x86_64-linux-gnu/libkmod.so.2").unlink()

    with pytest.raises(StageError, match=r"no downloaded package holds the library libkmod\.so\.2"):
        userspace._stubs(program, root, tmp_path)


class NoApt:
    """Stands for apt: it brings nothing, and counts what it unpacks."""

    unpacked = 0

    def __init__(self, _cache: Cache) -> None: ...

    def download(self, *_: object, **__: object) -> tuple[Package, ...]:
        return ()

    def extract(self, *_: object) -> None:
        NoApt.unpacked += 1


@pytest.fixture
def init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let a userspace be one file, which this is, and need no package."""
    file = tmp_path / "init"
    file.write_text("#!/bin/bash\n")
    monkeypatch.setattr(NoApt, "unpacked", 0)
    monkeypatch.setattr(userspace, "Apt", NoApt)
    monkeypatch.setattr(userspace, "_files", lambda *_: {"/init": file})
    monkeypatch.setattr(userspace, "_applets", lambda _: ("/bin/sh",))
    return file


def test_it_is_put_together_once_for_all_kernels(cache: Cache, init: Path) -> None:
    made = userspace.userspace("gcc 12", cache)

    assert made.files["/init"].read_bytes() == init.read_bytes()
    assert made.files["/init"].stat().st_mtime_ns == 0
    assert userspace.userspace("gcc 12", cache) == made
    assert NoApt.unpacked == 1
    assert userspace.userspace("gcc 14", cache) != made
    assert NoApt.unpacked == 2


@pytest.mark.usefixtures("init")
def test_a_file_that_was_altered_goes_into_no_image(cache: Cache) -> None:
    kept = userspace.userspace("gcc 12", cache).files["/init"]
    kept.write_bytes(kept.read_bytes().swapcase())

    with pytest.raises(StageError, match=f"{kept} was altered since it was cached"):
        userspace.userspace("gcc 12", cache)
