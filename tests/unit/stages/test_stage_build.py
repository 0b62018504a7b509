# SPDX-License-Identifier: GPL-2.0-only
"""configure and build on the fake kernel: errors shown, slots incremental, cache intact."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import pipeline
from harness.errors import HostError, StageError, UserError
from harness.host.assets import asset
from harness.host.cache import Cache
from harness.host.files import sha256_tree
from harness.host.make import Slot
from harness.host.series import series_in
from harness.pipeline import KernelRequest
from harness.stages import build as build_stage
from harness.stages import configure as configure_stage
from harness.stages.build import build
from harness.stages.fetch import fetch
from harness.stages.patch import patch
from harness.values import Counters, PatchedTree

ONE = ("int one;", "int two;", "int TWO;", "int three;")
TWO = ("int one;", "int two;", "int zwei;", "int three;")
THREE = ("int three;", "int four;", "int FOUR;", "int five;")


@pytest.fixture
def tree(cache: Cache, fake_kernel: Path, write_series: Callable[..., Path]) -> PatchedTree:
    return patch(fetch(str(fake_kernel), cache), cache, series=series_in(write_series(ONE)))


def test_build_keeps_what_later_stages_use(tree: PatchedTree, cache: Cache) -> None:
    kernel = build(tree, cache)

    assert kernel.release == "5.15.180"
    assert kernel.module_srcversion == "F00D"
    assert {path.name for path in kernel.directory.iterdir()} >= {
        "vmlinux",
        "config",
        "Module.symvers",
        "gen_init_cpio",
        "high_order_test.ko",
    }
    assert build(tree, cache) == kernel


def test_configuration_is_made_anew_where_kconfig_may_read_another_file(
    cache: Cache,
    fake_kernel: Path,
    write_series: Callable[..., Path],
    caplog: pytest.LogCaptureFixture,
) -> None:
    def configured(*changes: tuple[str, str, str, str]) -> bool:
        series = series_in(write_series(*changes))
        caplog.clear()
        kernel = build(patch(fetch(str(fake_kernel), cache), cache, series=series), cache)
        assert "CONFIG_BUDDY_MONITOR=y\n" in (kernel.directory / "config").read_text()
        return "tinyconfig and" in caplog.text

    caplog.set_level("INFO")
    assert configured(ONE)
    assert not configured(TWO)
    (slot,) = (cache.root / "slots").iterdir()
    kept = (slot / "obj/.config").read_text()
    (slot / "obj/.config").write_text("CONFIG_OTHER=y\n")
    assert configured(ONE, THREE)
    assert (slot / "obj/.config").read_text() == kept
    (fake_kernel / "mm/Kconfig").write_text("config OTHER\n")
    assert configured(ONE)


def test_what_a_kernel_can_do_is_stored_with_its_build(tree: PatchedTree, cache: Cache) -> None:
    option = "option.BUDDY_MONITOR"

    assert tree.provides == (option,)
    assert build(tree, cache).provides == (option,)
    assert build(tree, cache, counters=Counters.NONE).provides == ()


@pytest.mark.parametrize(
    ("counters", "provides", "there"),
    [
        (Counters.PERCPU, ("mode.off", "mode.last"), None),
        (Counters.PERCPU, ("mode.off", "mode.early"), "off, early"),
        (Counters.NONE, ("mode.off", "mode.last"), "none"),
    ],
)
def test_mode_that_the_kernel_will_lack_is_refused_before_it_is_built(  # noqa: PLR0917
    tree: PatchedTree,
    cache: Cache,
    monkeypatch: pytest.MonkeyPatch,
    counters: Counters,
    provides: tuple[str, ...],
    there: str | None,
) -> None:
    other = replace(tree, provides=provides)
    monkeypatch.setattr(pipeline, "patched", lambda _request, _cache: other)
    monkeypatch.setattr(pipeline, "guest", lambda _kernel, _cache, **_: None)
    request = KernelRequest(counters=counters)
    if there is None:
        assert pipeline.bootable(request, cache, modes=["last"])[0].provides == provides
        return
    with pytest.raises(UserError, match=f"has no mode last of the policy; it has {there}:"):
        pipeline.bootable(request, cache, modes=["last"])
    assert not (cache.root / "kernels").exists()


def test_option_dropped_by_olddefconfig(
    tree: PatchedTree, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUDDYLAB_DROP", "CONFIG_COMPACTION")

    with pytest.raises(StageError, match=r"CONFIG_COMPACTION=y \(is absent\)"):
        build(tree, cache)
    assert not list(cache.root.glob("kernels/*"))


def test_first_real_error_line_is_shown(
    tree: PatchedTree, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUDDYLAB_FAIL", "vmlinux")
    monkeypatch.setenv("BUDDYLAB_FAIL_TEXT", "mm/page_alloc.c:7:1: error: expected ';'")

    with pytest.raises(StageError, match=r"build: mm/page_alloc\.c:7:1: error: expected ';'"):
        build(tree, cache)

    monkeypatch.delenv("BUDDYLAB_FAIL")
    assert build(tree, cache).release == "5.15.180"


@pytest.mark.parametrize(
    ("module", "name", "step"),
    [
        (configure_stage, "CONFIGURE_LIMIT_S", "configure"),
        (build_stage, "BUILD_LIMIT_S", "build"),
    ],
)
def test_a_step_past_its_deadline_is_told_as_late(  # noqa: PLR0917
    tree: PatchedTree,
    cache: Cache,
    monkeypatch: pytest.MonkeyPatch,
    module: object,
    name: str,
    step: str,
) -> None:
    monkeypatch.setattr(module, name, 0.0)

    with pytest.raises(StageError, match=f"{step}: not done within 0 s, and ended; give the same"):
        build(tree, cache)


def edited_once(kmod: Path, real: Callable[..., object]) -> Callable[..., object]:
    """Edit the modules as somebody comes to `real`, the first time."""

    def called(*arguments: object, **named: object) -> object:
        source = kmod / "high_order_test.c"
        if not source.read_text().endswith("/* edited */\n"):
            source.write_text(f"{source.read_text()}/* edited */\n")
        return real(*arguments, **named)

    return called


@pytest.mark.parametrize(("name", "is_before"), [("slot_for", True), ("_kernel", False)])
def test_the_key_is_that_of_the_modules_that_are_built(  # noqa: PLR0917
    tree: PatchedTree,
    cache: Cache,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    is_before: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """Whoever edits them while the slot is waited for, or while make works."""
    kmod = shutil.copytree(asset("kmod"), tmp_path / "kmod")
    real = asset
    monkeypatch.setattr(build_stage, "asset", lambda it: kmod if it == "kmod" else real(it))
    built: list[str] = []

    def modules(slot: Slot, work: Path, *others: Any) -> None:
        built.append(sha256_tree(work))
        make_modules(slot, work, *others)

    make_modules = build_stage._modules
    monkeypatch.setattr(build_stage, "_modules", modules)
    before = sha256_tree(kmod)
    monkeypatch.setattr(build_stage, name, edited_once(kmod, getattr(build_stage, name)))
    first = build(tree, cache)
    edited = sha256_tree(kmod)

    assert built == [edited if is_before else before] != [before if is_before else edited]
    assert (build(tree, cache).key == first.key) is is_before


def test_no_space_left_is_the_hosts_matter(
    tree: PatchedTree, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUDDYLAB_FAIL", "modules")
    monkeypatch.setenv("BUDDYLAB_FAIL_TEXT", "ld: final link failed: No space left on device")

    with pytest.raises(HostError, match="no space left"):
        build(tree, cache)
    assert not list(cache.root.glob("kernels/*"))
    assert not list(cache.root.glob("tmp/*"))


def test_slot_compiles_again_what_differs_also_when_it_turns_back(
    fake_kernel: Path, cache: Cache, write_series: Callable[..., Path]
) -> None:
    source = fetch(str(fake_kernel), cache)
    first = patch(source, cache, series=series_in(write_series(ONE)))
    second = patch(source, cache, series=series_in(write_series(TWO)))

    build(first, cache)
    assert b"int zwei;" in (build(second, cache).directory / "vmlinux").read_bytes()
    for entry in cache.root.glob("kernels/*/manifest.json"):
        entry.unlink()
    assert b"int TWO;" in (build(first, cache).directory / "vmlinux").read_bytes()


def modules_compiled(cache: Cache, key: str) -> int:
    (log,) = cache.root.glob(f"slots/*/build-{key[:8]}.log")
    return log.read_text().count("CC [M]")


def test_modules_are_compiled_again_where_their_sources_differ(
    tree: PatchedTree,
    cache: Cache,
    write_series: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = patch(tree.source, cache, series=series_in(write_series(TWO)))
    assert modules_compiled(cache, build(tree, cache).key) == 1
    assert modules_compiled(cache, build(other, cache).key) == 0

    edited = shutil.copytree(asset("kmod"), tmp_path / "kmod")
    (edited / "compat.h").write_text("/* another */\n")
    monkeypatch.setattr("harness.stages.build.asset", lambda _: edited)
    assert modules_compiled(cache, build(tree, cache).key) == 1
    assert len(list(cache.root.glob("slots/*/kmod-*"))) == 1


def test_modules_that_a_killed_make_left_are_made_anew(
    tree: PatchedTree, cache: Cache, write_series: Callable[..., Path]
) -> None:
    build(tree, cache)
    (module,) = cache.root.glob("slots/*/kmod-*/high_order_test.ko")
    (module.parents[1] / "making").touch()
    module.write_bytes(b"torn")
    other = patch(tree.source, cache, series=series_in(write_series(TWO)))

    again = build(other, cache)
    assert modules_compiled(cache, again.key) == 1
    assert (again.directory / "high_order_test.ko").read_bytes().startswith(b"\x7fELF")


def test_unpatched_tree_does_not_ask_for_the_monitor(
    fake_kernel: Path, cache: Cache, write_series: Callable[..., Path]
) -> None:
    bare = patch(
        fetch(str(fake_kernel), cache), cache, series=series_in(write_series(ONE)), upto="0"
    )

    config = (build(bare, cache).directory / "config").read_text()
    assert "CONFIG_BUDDY_MONITOR" not in config
    assert "CONFIG_COMPACTION=y" in config


def test_a_compiler_that_warns_is_the_same_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = build_stage.compiler_id()
    wrapper = tmp_path / "bin/gcc"
    wrapper.parent.mkdir()
    wrapper.write_text(
        f'#!/bin/sh\necho "gcc: warning: old" >&2\nexec {shutil.which("gcc")} "$@"\n'
    )
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", str(wrapper.parent), prepend=":")
    assert build_stage.compiler_id() == before


@pytest.mark.parametrize("name", ["a cache", "it's", "a,b", "a:b", "50%", "$HOME"])
def test_a_cache_whose_path_make_cannot_take_is_refused_before_the_work(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUDDYLAB_CACHE", str(tmp_path / name))
    with pytest.raises(UserError, match="has the character .*; move the cache with BUDDYLAB_CACHE"):
        pipeline.open_cache()
    assert not (tmp_path / name).exists()


def test_a_cache_may_have_letters_of_any_language(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUDDYLAB_CACHE", str(tmp_path / "größe_é~1+@2"))
    pipeline.open_cache()
