# SPDX-License-Identifier: GPL-2.0-only
"""Stubs take the places of libraries that a guest has no use for: what the program asks for."""

import subprocess  # noqa: TID251 - gcc, and the program that loads what it made
from pathlib import Path

import pytest

from harness.errors import StageError
from harness.host.apt import Package
from harness.host.cache import Cache
from harness.host.elf import asked_of, needed
from harness.stages import guest
from harness.stages.build import build
from harness.stages.fetch import fetch
from harness.stages.patch import patch

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

    stubs = guest._stubs(program, root, work)

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
        guest._stubs(program, root, tmp_path)


class NoApt:
    """Stands for apt: it brings nothing, and is not asked to unpack it."""

    def __init__(self, _cache: Cache) -> None: ...

    def download(self, *_: object, **__: object) -> tuple[Package, ...]:
        return ()


def test_a_module_that_was_altered_goes_into_no_image(
    cache: Cache, fake_kernel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = build(patch(fetch(str(fake_kernel), cache), cache, upto="0"), cache)
    module = kernel.directory / "high_order_test.ko"
    module.write_bytes(module.read_bytes().swapcase())
    monkeypatch.setattr(guest, "Apt", NoApt)

    with pytest.raises(StageError, match=f"{module} was altered since it was cached"):
        guest.guest(kernel, cache)
