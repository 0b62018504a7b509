# SPDX-License-Identifier: GPL-2.0-only
"""One scheduler and its workers for all tests of the engine: starting them takes seconds."""

from collections.abc import Iterator
from pathlib import Path

import fake_guest
import pytest

from harness.host.cache import Cache

# Those that the tests kill, and two.
WORKERS = 6


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cache]:
    """The submitter's and the workers' cache, with a pretended QEMU."""
    folder = tmp_path_factory.mktemp("cluster")
    with pytest.MonkeyPatch.context() as patch:
        fake_guest.install(patch, folder, "good")
        patch.setenv("BUDDYLAB_CACHE", str(folder / "cache"))
        yield Cache(folder / "cache")


@pytest.fixture(scope="module")
def address(cache: Cache) -> Iterator[str]:
    """A scheduler with its workers."""
    assert cache  # the workers get its environment
    from fake_cluster import cluster  # noqa: PLC0415 - of the extra

    with cluster(WORKERS) as where:
        yield where


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the tasks of a test have their files."""
    return tmp_path
