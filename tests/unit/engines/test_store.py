# SPDX-License-Identifier: GPL-2.0-only
"""Artefacts of a host: sent, shared, altered; and what a worker must have."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from harness.engines import shared
from harness.engines.facts import Facts, hurdle
from harness.engines.store import Artefact, Store
from harness.engines.target import Target, parse_target
from harness.engines.worker import packed, unpacked
from harness.errors import GuestLostError, RecordError, StageError, UserError

CONTENT = b"a kernel of some bytes"


@pytest.fixture
def wanted(tmp_path: Path) -> Artefact:
    (tmp_path / "theirs").mkdir()
    path = tmp_path / "theirs/vmlinux"
    path.write_bytes(CONTENT)
    return Artefact(digest=sha256(CONTENT).hexdigest(), size_bytes=len(CONTENT), path=path)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def elsewhere(wanted: Artefact) -> Artefact:
    return replace(wanted, path=Path("/nowhere/vmlinux"))


def test_what_can_be_read_where_it_lies_is_not_copied(wanted: Artefact, store: Store) -> None:
    assert store.find(wanted) == wanted.path
    wanted.path.write_bytes(CONTENT[::-1])
    assert store.find(wanted) is None


def test_a_file_is_sent_in_parts_and_verified(wanted: Artefact, store: Store) -> None:
    far = elsewhere(wanted)
    assert store.find(far) is None
    store.receive(far, "me", 0, CONTENT[:10])
    assert store.find(far) is None
    store.receive(far, "me", 10, CONTENT[10:])
    kept = store.find(far)
    assert kept is not None
    assert kept.read_bytes() == CONTENT
    assert [path.name for path in store.root.iterdir()] == [wanted.digest]


def test_what_arrives_altered_is_not_kept(wanted: Artefact, store: Store) -> None:
    with pytest.raises(RecordError, match="did not arrive as it was sent"):
        store.receive(elsewhere(wanted), "me", 0, CONTENT[::-1])
    assert list(store.root.iterdir()) == []


def test_a_copy_that_was_altered_is_removed(
    wanted: Artefact, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    far = elsewhere(wanted)
    store.receive(far, "me", 0, CONTENT)
    kept = store.find(far)
    assert kept is not None
    kept.write_bytes(CONTENT[::-1])
    store.doubt()
    assert store.find(far) is None
    assert "is not what its name says; removed" in caplog.text
    assert not kept.exists()


def test_a_shared_directory_holds_files_by_digest(
    tmp_path: Path, wanted: Artefact, store: Store
) -> None:
    pytest.importorskip("fsspec")
    url = (tmp_path / "shared").as_uri()
    shared.put(url, [wanted])
    shared.put(url, [wanted])
    assert [path.name for path in (tmp_path / "shared").iterdir()] == [wanted.digest]
    assert shared.fetch(url, elsewhere(wanted), store)
    assert store.find(elsewhere(wanted)) == store.root / wanted.digest
    (tmp_path / "shared" / wanted.digest).write_bytes(b"else")
    assert not shared.fetch(url, elsewhere(wanted), Store(tmp_path / "other"))


def test_a_shared_place_that_cannot_be_written_is_refused(wanted: Artefact) -> None:
    pytest.importorskip("fsspec")
    with pytest.raises(UserError, match="nosuch://place"):
        shared.put("nosuch://place", [wanted])


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("local:4", Target(workers=4)),
        ("tcp://10.0.0.1:8786", Target(address="tcp://10.0.0.1:8786")),
        ("scheduler-file=/shared/s", Target(scheduler_file=Path("/shared/s"))),
        ("sched.json", Target(scheduler_file=Path("sched.json"))),
    ],
)
def test_targets(text: str, target: Target) -> None:
    assert parse_target(text) == target


@pytest.mark.parametrize("text", ["local:0", "local:x", "dask", "10.0.0.1:8786", "tcp://host"])
def test_what_is_no_target_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="is none of"):
        parse_target(text)


OURS = Facts(
    host="here",
    boot="b",
    cache=Path("/cache"),
    project="1",
    code="abc",
    engine="2026.8.0 on Python 3.11",
    available_mib=8000,
    room_mib=8000,
    qemu=None,
)


@pytest.mark.parametrize(
    ("theirs", "why"),
    [
        ({}, ""),
        ({"available_mib": None}, ""),
        ({"engine": "2025.1.0 on Python 3.11"}, "pip install distributed==2026.8.0"),
        ({"project": "2"}, ""),
        ({"code": "abd"}, "install the same there"),
        ({"available_mib": 1000}, "a guest of 1024 MiB needs 1344 MiB, it has 1000"),
        ({"room_mib": 1000}, "has no room"),
    ],
)
def test_a_worker_that_cannot_do_it_is_told_why(theirs: dict[str, object], why: str) -> None:
    found = hurdle(OURS, replace(OURS, **theirs), 1024)  # type: ignore[arg-type]
    assert why in found
    assert bool(why) == bool(found)


@pytest.mark.parametrize(
    "error",
    [
        StageError("boot", "altered", log_path=Path("log")),
        GuestLostError("panic", "gone", console_tail="last words"),
        RecordError("cut short"),
    ],
)
def test_errors_come_home_as_they_were(error: Exception) -> None:
    again = unpacked(packed(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert again.__dict__ == error.__dict__
