# SPDX-License-Identifier: GPL-2.0-only
"""A user's options: some on top of the guest's, or a whole .config with what the guest needs."""

import logging
from pathlib import Path

import pytest

from harness.errors import StageError, UserError
from harness.host.cache import Cache
from harness.pipeline import KernelRequest, built
from harness.stages.build import build
from harness.stages.configure import read_config
from harness.texts.build.kconfig import (
    added,
    parse_config,
    parse_user_config,
    without_modules,
)

WHOLE = """#
# Automatically generated file; DO NOT EDIT.
# Linux/x86 6.1.0 Kernel Configuration
#
CONFIG_64BIT=y
CONFIG_EXT4_FS=m
# CONFIG_PROC_FS is not set
CONFIG_HZ=1000
"""


def test_a_fragment_is_told_from_a_whole_config() -> None:
    assert not parse_user_config("a", "CONFIG_NUMA=y\n\n# a remark\n").is_whole
    assert parse_user_config("a", WHOLE).is_whole


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("CONFIG_NUMA y\n", "a:1: 'CONFIG_NUMA y' is no option"),
        ("# CONFIG_NUMA is on\n", "sets no option"),
        ("# CONFIG_PROC_FS is not set\nCONFIG_NUMA=y\n", "turns off CONFIG_PROC_FS"),
    ],
)
def test_what_is_no_config_is_refused(text: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        parse_user_config("a", text)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.config cannot be read"):
        read_config(tmp_path / "none.config")


def test_what_the_guest_needs_is_added_and_nothing_turned_off() -> None:
    needs = parse_config("CONFIG_64BIT=y\nCONFIG_PROC_FS=y\n# CONFIG_EXT4_FS is not set\n")

    assert added(WHOLE, needs) == {"CONFIG_PROC_FS": "y"}
    assert "# CONFIG_EXT4_FS is not set" in without_modules(WHOLE)


def test_options_are_built_in_and_make_another_kernel(cache: Cache, fake_kernel: Path) -> None:
    config = fake_kernel.parent / "my.config"
    config.write_text("CONFIG_NUMA=y\n")
    plain = built(KernelRequest(kernel=str(fake_kernel), upto="0"), cache)
    mine = built(KernelRequest(kernel=str(fake_kernel), upto="0", config=config), cache)

    assert plain.key != mine.key
    assert "CONFIG_NUMA=y\n" in (mine.directory / "config").read_text()
    assert len(list((cache.root / "slots").iterdir())) == 2


def test_an_option_that_is_not_kept_is_told(
    cache: Cache, fake_kernel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = fake_kernel.parent / "my.config"
    config.write_text("CONFIG_NUMA=y\n")
    monkeypatch.setenv("BUDDYLAB_DROP", "CONFIG_NUMA")
    with pytest.raises(StageError, match=r"did not keep CONFIG_NUMA=y \(is absent\)"):
        built(KernelRequest(kernel=str(fake_kernel), upto="0", config=config), cache)


def test_a_whole_config_is_begun_with_and_what_was_added_is_told(
    cache: Cache, fake_kernel: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = fake_kernel.parent / "whole.config"
    config.write_text(WHOLE)
    with caplog.at_level(logging.INFO):
        made = built(KernelRequest(kernel=str(fake_kernel), upto="0", config=config), cache)
    text = (made.directory / "config").read_text()

    assert "CONFIG_HZ=1000" in text
    assert "CONFIG_TINY" not in text
    assert parse_config(text)["CONFIG_PROC_FS"] == "y"
    assert "CONFIG_EXT4_FS=m" not in text
    assert "without its 1 modules" in caplog.text
    assert "added for the guest: " in caplog.text
    assert "CONFIG_PROC_FS=y" in caplog.text
    other = build(made.tree, cache)
    assert other.key != made.key
