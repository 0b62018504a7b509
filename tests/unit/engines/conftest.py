# SPDX-License-Identifier: GPL-2.0-only
"""One scheduler and its workers for all tests of the engine: starting them takes seconds."""

from collections.abc import Iterator
from pathlib import Path

import fake_guest
import pytest

from harness.host.cache import Cache


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
    """A scheduler with three workers, which dask starts again when they die."""
    from distributed import LocalCluster  # noqa: PLC0415, TID251

    assert cache
    with LocalCluster(
        n_workers=3,
        threads_per_worker=1,
        memory_limit=None,
        dashboard_address="127.0.0.1:0",
        silence_logs=50,
    ) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the tasks of a test have their files."""
    return tmp_path
