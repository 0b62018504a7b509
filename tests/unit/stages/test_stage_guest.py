# SPDX-License-Identifier: GPL-2.0-only
"""An initramfs is made of what was built, and of nothing that was altered afterwards."""

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
