# SPDX-License-Identifier: GPL-2.0-only
"""A run replayed against a pretended QEMU: from its folder's texts, and from a bundle."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import fake_guest
import pytest
from fake_guest import Bench, FakeQemu

from harness.cli.main import main
from harness.errors import Exit, HostError, RecordError
from harness.host.cache import Cache
from harness.jobs.replay import Replayable, replays, saved_run_texts
from harness.jobs.replayable import bundle, unbundled
from harness.record.bundle import digests_of, run_expected
from harness.stages import run as run_stage

Ready = tuple[Bench, FakeQemu, Replayable]


@pytest.fixture
def ready(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache: Cache) -> Ready:
    """A bench, its pretender, and what a run there left to be replayed."""
    monkeypatch.chdir(tmp_path)
    bench = replace(fake_guest.make_bench(tmp_path), cache=cache)
    fake = fake_guest.install(monkeypatch, tmp_path, "good")
    identity = run_stage.run(
        bench.build,
        bench.image,
        fake_guest.make_plan("one", "two"),
        fake_guest.make_settings(),
        folder=bench.folder,
        cache=cache,
    )
    texts = saved_run_texts(bench.folder)
    expected = run_expected(digests_of(texts))
    return bench, fake, Replayable(title="it", identity=identity, expected=expected, texts=texts)


def test_equal_runs_are_identical(ready: Ready) -> None:
    bench, fake, it = ready
    before = len(fake.starts())
    answers = list(replays(it, bench.what, bench.cache, times=3, anyway=False))
    assert [answer.difference for answer in answers] == ["", "", ""]
    assert str(answers[0]) == f"it: the same to the byte, {it.expected.digest}"
    assert len(fake.starts()) == before + 3
    assert list((bench.cache.root / "tmp").iterdir()) == []
    assert not Path("runs").exists()


@pytest.mark.parametrize("kept", [True, False])
def test_a_difference_is_named_and_kept(
    ready: Ready,
    tmp_path: Path,
    kept: bool,  # noqa: FBT001
) -> None:
    bench, _, it = ready
    console = b"[    0.0] Linux version 5.15.181\n"
    texts = {**(it.texts or {}), "console.log": console}
    other = replace(it, texts=texts if kept else None, expected=run_expected(digests_of(texts)))
    (answer,) = replays(other, bench.what, bench.cache, times=1, anyway=False)
    said = "console.log line 1: saved" if kept else r"console.log (1 of 8 texts)"
    assert answer.difference.startswith(said)
    (folder,) = (tmp_path / "runs").iterdir()
    assert (folder / "console.log").read_text().startswith("[    0.0] Linux version 5.15.180")
    assert "DIFFERS" in str(answer)


def altered_program(tmp_path: Path) -> None:
    program = tmp_path / "bin/qemu-system-x86_64"
    program.write_text(program.read_text() + "# another build\n")


def test_another_qemu_is_refused_by_name_unless_anyway(
    ready: Ready, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench, fake, it = ready
    altered_program(tmp_path)
    before = len(fake.starts())
    with pytest.raises(HostError, match=r"(?s)qemu_digest: expected .*--anyway"):
        list(replays(it, bench.what, bench.cache, times=1, anyway=False))
    assert len(fake.starts()) == before
    (answer,) = replays(it, bench.what, bench.cache, times=1, anyway=True)
    assert answer.difference == ""
    assert "qemu_digest: expected" in caplog.text


def test_another_machine_names_the_commit_that_replays_it(ready: Ready) -> None:
    bench, _, it = ready
    key = replace(it.identity.key, machine=f"{it.identity.key.machine} -strange x")
    other = replace(it, identity=replace(it.identity, key=key, digest=key.digest))
    commit = it.identity.provenance.project_commit
    said = rf"(?s)machine: expected -strange x, found .none..*made by commit {commit} "
    with pytest.raises(RecordError, match=said):
        list(replays(other, bench.what, bench.cache, times=1, anyway=False))


@pytest.fixture
def file(ready: Ready, tmp_path: Path) -> Path:
    bench, _, it = ready
    path = tmp_path / "it.tar"
    bundle(it, bench.what, path)
    return path


def test_a_bundle_replays_in_a_cache_that_has_built_nothing(
    ready: Ready,
    file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bench, _, it = ready
    for name in ("kernel/vmlinux", "initramfs.cpio"):
        (tmp_path / name).unlink()
    monkeypatch.setenv("BUDDYLAB_CACHE", str(tmp_path / "other"))
    assert main(["replay", str(file), "--times", "2"]) == Exit.OK
    said = capsys.readouterr().out.splitlines()
    assert said == [*[f"it: the same to the byte, {it.expected.digest}"] * 2, "2 of 2 identical"]
    assert not bench.build.image.exists()


def test_equal_bundles_have_equal_bytes(ready: Ready, file: Path, tmp_path: Path) -> None:
    bench, _, it = ready
    bundle(it, bench.what, tmp_path / "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == file.read_bytes()
    assert str(tmp_path).encode() not in file.read_bytes()


@pytest.mark.parametrize("member", ["vmlinux", "initramfs.cpio", "bundle.json"])
def test_a_changed_bundle_is_named_and_not_run(
    ready: Ready, file: Path, member: str, caplog: pytest.LogCaptureFixture
) -> None:
    _, fake, _ = ready
    before = len(fake.starts())
    old, new = {
        "vmlinux": (b"\0kernel\0", b"\0kernal\0"),
        "initramfs.cpio": (b"\0cpio\0", b"\0cpia\0"),
        "bundle.json": (b'"seed": 1', b'"seed": 2'),
    }[member]
    content = file.read_bytes()
    assert content.count(old) == 1
    file.write_bytes(content.replace(old, new))
    assert main(["replay", str(file)]) == Exit.USAGE
    assert f"{member}: expected sha256 " in caplog.text
    assert "nothing was run" in caplog.text
    assert len(fake.starts()) == before


Change = Callable[[Replayable], Replayable]


def seed_changed(it: Replayable) -> Replayable:
    return replace(it, identity=replace(it.identity, key=replace(it.identity.key, seed=2)))


def command_changed(it: Replayable) -> Replayable:
    first, *others = it.identity.stages
    stages = (replace(first, command="rm -rf /"), *others)
    return replace(it, identity=replace(it.identity, stages=stages))


@pytest.mark.parametrize("change", [seed_changed, command_changed])
def test_a_key_that_was_altered_is_not_packed(ready: Ready, tmp_path: Path, change: Change) -> None:
    bench, _, it = ready
    with pytest.raises(RecordError, match="was altered"):
        bundle(change(it), bench.what, tmp_path / "x.tar")
    assert not (tmp_path / "x.tar").exists()


def test_what_is_unpacked_is_what_was_packed(ready: Ready, file: Path, tmp_path: Path) -> None:
    bench, _, it = ready
    (tmp_path / "out").mkdir()
    got, what = unbundled(file, tmp_path / "out")
    assert got == replace(it, texts=None)
    assert what.kernel.read_bytes() == bench.what.kernel.read_bytes()
    assert what.name == bench.what.name
