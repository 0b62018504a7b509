# SPDX-License-Identifier: GPL-2.0-only
"""Flavours: more options than guests' kernels have, several merged in order, told by name."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.host.assets import asset
from harness.host.cache import Cache
from harness.host.series import line_named, series_in
from harness.jobs.replayable import guest_command
from harness.pipeline import GuestRequest, KernelRequest, RunRequest, built, prepared
from harness.stages.build import build
from harness.stages.configure import fragment_for, require_flavours
from harness.stages.fetch import fetch
from harness.stages.guest import scripts_of
from harness.stages.key import provenance
from harness.stages.patch import patch
from harness.texts.build.kconfig import parse_config
from harness.values import (
    Counters,
    GuestImage,
    PatchedTree,
    RunMode,
    flavour_of,
    flavours_of,
)

ONE = ("int one;", "int two;", "int TWO;", "int three;")
IMAGE = GuestImage(digest="e" * 64, packages=(), size_bytes=1, path=Path("none"))


@pytest.fixture
def tree(cache: Cache, fake_kernel: Path, write_series: Callable[..., Path]) -> PatchedTree:
    return patch(fetch(str(fake_kernel), cache), cache, series=series_in(write_series(ONE)))


def test_several_flavours_are_merged_in_their_order(tree: PatchedTree) -> None:
    plain, debug, both = (
        fragment_for(tree, flavour_of(names), Counters.PERCPU)
        for names in ((), ("debug",), ("debug", "preempt", "debug"))
    )

    assert debug.startswith(plain.rpartition("CONFIG_BUDDY_MONITOR_")[0])
    assert parse_config(debug)["CONFIG_PROVE_LOCKING"] == "y"
    assert "CONFIG_PREEMPT" not in parse_config(debug)
    assert parse_config(both)["CONFIG_PREEMPT"] == "y"
    assert both.index("CONFIG_KASAN=y") < both.index("CONFIG_PREEMPT=y")
    assert both.count("CONFIG_KASAN=y") == 1
    assert "CONFIG_KASAN" not in plain


def test_name_of_a_flavour_is_that_of_what_it_was_made_of() -> None:
    for names in ((), ("debug",), ("debug", "preempt")):
        assert flavours_of(flavour_of(names)) == names
    assert flavour_of(()) == "guest"
    there = {path.stem for path in (asset("vm") / "config").glob("*.config")}
    assert not any("-" in name for name in there)
    with pytest.raises(UserError, match="'guest', 'no' is no flavour .* there are debug, lean, "):
        require_flavours(("debug", "guest", "no"))


def test_flavour_is_built_beside_the_guests_own_and_told(cache: Cache, fake_kernel: Path) -> None:
    plain = KernelRequest(kernel=str(fake_kernel), upto="0")
    debug = replace(plain, flavours=("debug", "preempt"))
    one, other = built(plain, cache), built(debug, cache)

    assert one.key != other.key
    assert "CONFIG_KASAN=y\n" not in (one.directory / "config").read_text()
    assert "CONFIG_KASAN=y\n" in (other.directory / "config").read_text()
    assert len(list((cache.root / "slots").iterdir())) == 2
    said, flavoured = provenance(one, IMAGE), provenance(other, IMAGE)
    assert (said.flavour, flavoured.flavour) == ("guest", "debug-preempt")
    assert flavoured.origin_told == f"{said.origin_told}, flavour debug,preempt"
    assert "--flavour debug,preempt --kernel" in guest_command(flavoured, "debian:6.1")
    assert "--flavour" not in guest_command(said, "debian:6.1")


def test_line_that_cannot_have_a_flavour_says_so_before_it_is_built(
    cache: Cache, fake_kernel: Path
) -> None:
    request = KernelRequest(kernel=str(fake_kernel), upto="0", flavours=("debug", "rt"))

    for begin in (prepared, built):
        with pytest.raises(UserError, match=r"5\.15\.180 cannot have the flavour rt: .* 6\.12"):
            begin(request, cache)
    assert not (cache.root / "slots").exists()
    assert {name: bool(line_named(name).refused) for name in ("5.15", "6.1", "6.12", "7.3")} == {
        "5.15": True,
        "6.1": True,
        "6.12": False,
        "7.3": False,
    }


def test_guests_own_kernel_is_what_it_was(tree: PatchedTree, cache: Cache) -> None:
    assert build(tree, cache).key == build(tree, cache, flavour=flavour_of(())).key


@pytest.mark.parametrize(
    ("flavours", "scale", "asked_mib", "given_mib", "shift"),
    [
        ((), "small", None, 1024, 3),
        ((), "paper", None, 4096, 3),
        (("preempt", "nodes"), "small", None, 1024, 3),
        (("debug",), "small", None, 1408, 0),
        (("nodes", "debug"), "paper", None, 4864, 0),
        (("debug",), "small", 1024, 1024, 0),
    ],
)
def test_guest_has_what_a_kernel_needs_that_watches_itself(
    flavours: tuple[str, ...], scale: str, asked_mib: int | None, given_mib: int, shift: int
) -> None:
    """KASAN leaves 624 of 1024 MiB, and with 8 ns an instruction the torture does not end."""
    request = RunRequest(
        kernel=KernelRequest(flavours=flavours),
        guest=GuestRequest(memory_mib=asked_mib),
        scale=scale,
        mode=RunMode.REPEATABLE,
    )

    assert request.settings.memory_mib == given_mib
    assert request.settings.icount_shift == shift


def test_scripts_for_nodes_are_in_no_other_image(cache: Cache, fake_kernel: Path) -> None:
    """A file more, and every replay key of before would be another."""
    plain = built(KernelRequest(kernel=str(fake_kernel), upto="0"), cache)
    ours = set((asset("vm") / "guest" / "nodes").iterdir())

    assert scripts_of(plain.flavour) == {}
    found = scripts_of("debug-nodes")
    names = ("empty_lists.sh", "on_node.sh", "plug_memory.sh")
    assert set(found) == {f"/root/scripts/{name}" for name in names}
    assert set(found.values()) == ours
