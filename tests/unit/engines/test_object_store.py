# SPDX-License-Identifier: GPL-2.0-only
"""Artefacts by way of S3: a server of it, as moto is one, and workers that see no other way."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

import fake_guest
import pytest
from fake_work import Made, tasks

from harness.digest import sha256_bytes
from harness.engines import shared
from harness.engines.dask_runner import DaskRunner, Limits
from harness.engines.store import Artefact, Store, artefact
from harness.engines.target import Target
from harness.errors import UserError
from harness.host.cache import Cache
from harness.jobs.runner import Task

pytest.importorskip("distributed")
s3fs = pytest.importorskip("s3fs")
moto_server = pytest.importorskip("moto.server")
pytestmark = [
    pytest.mark.timeout(300),
    # Of the libraries of Amazon's, that a clock is read in an old way.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
URL = "s3://artefacts/buddylab"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    it = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    it.start()
    host, port = it.get_host_and_port()
    yield f"http://{host}:{port}"
    it.stop()


@pytest.fixture
def env(server: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What a user sets to reach it, and a bucket there."""
    env = {
        "AWS_ENDPOINT_URL": server,
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    files = s3fs.S3FileSystem(skip_instance_cache=True)
    with contextlib.suppress(FileExistsError):
        files.mkdir("artefacts")
    return env


@pytest.fixture
def sent(tmp_path: Path) -> Artefact:
    path = tmp_path / "vmlinux"
    path.write_bytes(b"kernel" * 1000)
    return artefact(path, sha256_bytes(path.read_bytes()))


def test_what_was_put_is_fetched_and_verified(
    env: dict[str, str], sent: Artefact, tmp_path: Path
) -> None:
    assert env
    shared.require_writable(URL)
    shared.put(URL, [sent])
    sent.path.unlink()
    store = Store(tmp_path / "store")

    assert store.find(sent) is None
    assert shared.fetch(URL, sent, store)
    found = store.find(sent)
    assert found is not None
    assert found.read_bytes() == b"kernel" * 1000
    # Only what is whole has a name there.
    assert [Path(name).name for name in _there()] == [sent.digest]


def _there() -> list[str]:
    return list(s3fs.S3FileSystem(skip_instance_cache=True).ls("artefacts/buddylab", refresh=True))


def test_an_object_that_is_not_what_its_name_says_is_told(
    env: dict[str, str], sent: Artefact, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert env
    other = s3fs.S3FileSystem(skip_instance_cache=True)
    other.pipe_file(f"artefacts/buddylab/{sent.digest}", b"kernel" * 999 + b"kernal")
    store = Store(tmp_path / "store")

    assert not shared.fetch(URL, sent, store)
    assert "did not arrive as it was sent" in caplog.text
    assert "the submitter sends it" in caplog.text
    assert list((tmp_path / "store").iterdir()) == []
    other.rm_file(f"artefacts/buddylab/{sent.digest}")


def test_a_bucket_that_is_not_there_is_told(env: dict[str, str], sent: Artefact) -> None:
    assert env
    for url in ("s3://nobodys/x", "s3://nobodys"):
        with pytest.raises(UserError, match=rf"below {url} .*; check it, or leave --artefacts"):
            shared.put(url, [sent])
        runner = DaskRunner(target=Target(workers=1), url=url)
        with pytest.raises(UserError, match=rf"below {url} "):  # before anything is built
            runner.require_room(1)
    # s3fs makes a bucket where it is asked for a folder.
    assert not s3fs.S3FileSystem(skip_instance_cache=True).exists("nobodys")


def test_a_worker_that_sees_no_file_of_ours_gets_it_there(
    env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fake_cluster import cluster, more_workers  # noqa: PLC0415 - of the extra

    fake_guest.install(monkeypatch, tmp_path, "good")
    asked = tasks(tmp_path, 2, 2)
    what = asked[0].what
    theirs = tmp_path / "theirs"
    came: list[Made] = []

    def take(_task: Task, made: Made) -> bool:
        came.append(made)
        return True

    with cluster(0) as address, contextlib.ExitStack() as workers:

        def made() -> Iterator[Task]:
            yield from asked
            # All that they need is stored by now: nobody sends it any more.
            what.kernel.unlink()
            what.initrd.unlink()
            workers.enter_context(more_workers(address, {**env, "BUDDYLAB_CACHE": str(theirs)}))

        limits = Limits(collect_s=0.2, workers_s=200.0)
        runner = DaskRunner(target=Target(address=address), share=0.0, url=URL, limits=limits)
        problems = runner.run(made(), Cache(tmp_path / "cache"), take)
    assert list(problems) == []
    assert sorted(one.unit for one in came) == ["0-0", "0-1", "1-0", "1-1"]
    kept = {path.name for path in (theirs / "artefacts").iterdir()}
    assert {what.vmlinux_digest, what.initramfs_digest} <= kept
