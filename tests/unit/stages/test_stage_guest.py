# SPDX-License-Identifier: GPL-2.0-only
"""An initramfs is made of what was built, and of nothing that was altered afterwards."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import StageError
from harness.host.cache import Cache
from harness.stages import guest
from harness.stages.build import build
from harness.stages.fetch import fetch
from harness.stages.patch import patch
from harness.values import Userspace


def test_a_module_that_was_altered_goes_into_no_image(
    cache: Cache, fake_kernel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = build(patch(fetch(str(fake_kernel), cache), cache, upto="0"), cache)
    module = kernel.directory / "high_order_test.ko"
    module.write_bytes(module.read_bytes().swapcase())
    nothing = Userspace(key="u" * 64, packages=(), files={}, applets=())
    monkeypatch.setattr(guest, "userspace", lambda *_: nothing)

    with pytest.raises(StageError, match=f"{module} was altered since it was cached"):
        guest.guest(kernel, cache)


Listings = list[list[list[str]]]


@pytest.fixture
def listings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Listings:
    """What images are made of, in the order in which they are made: nothing is written."""
    (script := tmp_path / "in_turns.sh").write_text("#!/bin/bash\n")
    files = {"/init": script, "/root/turns/in_turns.sh": script}
    inside = Userspace(key="u" * 64, packages=(), files=files, applets=())
    made: Listings = []

    def write(listing: Iterator[str], _build: object, _scratch: Path, image: Path) -> None:
        made.append([line.split()[:2] for line in listing])
        image.write_text("an image")

    monkeypatch.setattr(guest, "userspace", lambda *_: inside)
    monkeypatch.setattr(guest, "_write", write)
    return made


def test_only_guests_that_ask_have_what_shifts_turns(
    cache: Cache, fake_kernel: Path, monkeypatch: pytest.MonkeyPatch, listings: Listings
) -> None:
    kernel = build(patch(fetch(str(fake_kernel), cache), cache, upto="0"), cache)
    monkeypatch.setattr(guest, "TURNS_MODULE", "high_order_test.ko")  # stands for turns.ko
    guest.guest(kernel, cache)
    guest.guest(kernel, cache, turns=True)

    without, with_turns = listings
    assert [line for line in with_turns if line not in without] == [
        ["dir", "/root/kmod"],
        ["dir", "/root/turns"],
        ["file", "/root/kmod/high_order_test.ko"],
        ["file", "/root/turns/in_turns.sh"],
    ]
    assert [line for line in without if line not in with_turns] == []


def test_no_guest_has_the_module_that_is_for_tests(
    cache: Cache, fake_kernel: Path, monkeypatch: pytest.MonkeyPatch, listings: Listings
) -> None:
    kernel = build(patch(fetch(str(fake_kernel), cache), cache, upto="0"), cache)
    monkeypatch.setattr(guest, "TEST_MODULE", "high_order_test.ko")  # stands for request_here.ko
    guest.guest(kernel, cache)
    guest.guest(kernel, cache, turns=True)

    assert all(["file", "/root/kmod/high_order_test.ko"] not in each for each in listings)


def test_only_a_kernel_with_tests_of_its_own_brings_them(
    cache: Cache, fake_kernel: Path, listings: Listings
) -> None:
    script = fake_kernel / guest.SELFTESTS / "buddy_monitor.sh"
    script.parent.mkdir(parents=True)
    script.write_text("#!/bin/sh\n")
    tree = patch(fetch(str(fake_kernel), cache), cache, upto="0")
    guest.guest(build(tree, cache), cache)
    guest.guest(build(tree, cache, flavour=guest.SELFTEST), cache)

    without, with_tests = listings
    assert [line for line in with_tests if line not in without] == [
        ["dir", "/root/scripts"],
        ["file", "/root/scripts/buddy_monitor.sh"],
        ["file", "/root/scripts/run_selftest.sh"],
    ]
