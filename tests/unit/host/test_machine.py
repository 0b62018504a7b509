# SPDX-License-Identifier: GPL-2.0-only
"""doctor: what this machine can do, and the line that mends what it lacks."""

import http.server
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import fake_guest
import pytest

from harness.cli.main import main
from harness.errors import Exit
from harness.host import accelerator, emulator, prerequisites
from harness.host.cache import Cache
from harness.host.prerequisites import Need
from harness.jobs import machine
from harness.jobs.machine import Finding
from harness.values import GuestImage

Ask = Callable[..., dict[str, list[Finding]]]


@pytest.fixture
def bench(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache: Cache
) -> Iterator[fake_guest.Bench]:
    """A machine that has all: a pretended QEMU, a mirror, apt with two kernels, and no KVM."""
    assert not cache.root.exists()
    fake_guest.install(monkeypatch, tmp_path, "good")
    monkeypatch.setattr(prerequisites, "NEEDS", ())
    monkeypatch.setattr(machine, "_of_debian", lambda _: ["debian:6.1", "debian:6.12"])
    monkeypatch.setattr(accelerator, "_KVM_DEVICE", tmp_path / "no-kvm")
    monkeypatch.setattr(machine, "available_mib", lambda: 9000)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Mirror) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        monkeypatch.setenv("BUDDYLAB_KERNEL_MIRROR", f"http://127.0.0.1:{httpd.server_port}")
        yield fake_guest.make_bench(tmp_path)
        httpd.shutdown()


class _Mirror(http.server.BaseHTTPRequestHandler):
    """Has the sums of one directory."""

    def do_HEAD(self) -> None:
        self.send_response(200 if self.path == "/v5.x/sha256sums.asc" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str], bench: fake_guest.Bench) -> Ask:
    assert bench.image.digest

    def run(code: Exit = Exit.OK) -> dict[str, list[Finding]]:
        assert main(["doctor", "--json"]) == code
        said = json.loads(capsys.readouterr().out)
        assert said["ready"] == (code is Exit.OK)
        found: dict[str, list[Finding]] = {}
        for each in said["findings"]:
            found.setdefault(each["name"], []).append(Finding(**each))
        return found

    return run


def test_a_machine_that_has_all(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, bench: fake_guest.Bench
) -> None:
    monkeypatch.setattr(machine, "_newest_guest", lambda _: (bench.build, bench.image))

    found = ask()

    assert [*found] == ["packages", "QEMU", "memory", "cache", "kernels", "accelerator"]
    assert not any(each.lacks for several in found.values() for each in several)
    (proved,) = found["accelerator"]
    assert proved.fact.startswith("TCG proved, because this host has no ")
    assert proved.values["accelerator"] == "tcg"
    assert float(proved.values["boot_s"]) > 0
    (memory,) = found["memory"]
    assert (memory.values["paper"], memory.values["small"]) == (2, 6)
    told = [each.fact for each in found["kernels"]]
    assert told[0] == "of this machine's apt: debian:6.1, debian:6.12"
    assert told[1].endswith("answers: any release")


def test_nothing_is_proved_before_a_kernel_is_built(ask: Ask) -> None:
    (told,) = ask()["accelerator"]

    assert "not proved, for no kernel is built yet" in told.fact
    assert told.mend == "buddylab guest"


def test_a_guest_that_does_not_boot_is_told(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, bench: fake_guest.Bench
) -> None:
    monkeypatch.setattr(machine, "_newest_guest", lambda _: (bench.build, bench.image))
    monkeypatch.setenv("BUDDYLAB_FAKE_QEMU", "exit")

    (told,) = ask(Exit.HOST)["accelerator"]

    assert told.lacks
    assert "does not boot: guest lost (exit)" in told.fact


def test_what_is_missing_has_its_line(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = Need(package="gizmo", program="no-such-program-here", why="turns the handle")
    monkeypatch.setattr(prerequisites, "NEEDS", (lacking,))
    monkeypatch.setattr(machine, "available_mib", lambda: 1000)

    found = ask(Exit.HOST)

    (packages,), (memory,) = found["packages"], found["memory"]
    assert packages.fact == "gizmo (turns the handle)"
    assert packages.mend == "as root: apt-get install --no-install-recommends gizmo"
    assert (memory.lacks, memory.mend) == (True, "free 344 MiB")


def test_a_cache_that_make_cannot_take_is_told(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUDDYLAB_CACHE", str(tmp_path / "a cache"))
    (found,) = ask(Exit.HOST)["cache"]

    assert found.lacks
    assert "has the character ' '" in found.fact


def test_no_kernel_within_reach(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_of_debian", lambda _: [])
    assert not any(each.lacks for each in ask()["kernels"])  # a mirror answers

    monkeypatch.setenv("BUDDYLAB_KERNEL_MIRROR", "http://127.0.0.1:9")
    apt, mirror = ask(Exit.HOST)["kernels"]

    assert apt.mend.startswith("as root: apt-get update")
    assert "out of reach: [Errno 111] Connection refused" in mirror.fact
    assert "$BUDDYLAB_KERNEL_MIRROR" in mirror.mend


def test_a_mirror_without_sums_has_no_releases(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    base = os.environ["BUDDYLAB_KERNEL_MIRROR"]
    monkeypatch.setenv("BUDDYLAB_KERNEL_MIRROR", f"{base}/elsewhere")

    assert "out of reach: Not Found" in ask()["kernels"][-1].fact


@pytest.mark.parametrize(("system", "line"), [("debian", "=trixie-backports"), ("ubuntu", "")])
def test_a_newer_qemu_is_named_where_there_is_a_suite(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, system: str, line: str
) -> None:
    release = tmp_path / "os-release"
    release.write_text(f'NAME="X"\nID={system}\nVERSION_CODENAME=trixie\n')
    monkeypatch.setattr(emulator, "_OS_RELEASE", release)
    monkeypatch.setattr(emulator, "repeats_several_cpus", lambda _: False)

    (told,) = ask()["QEMU"]

    assert told.mend.endswith(f"export BUDDYLAB_QEMU{line}" if line else "repeat several CPUs")


def test_the_newest_of_the_cache_is_booted(cache: Cache, bench: fake_guest.Bench) -> None:
    assert machine._newest_guest(cache) is None
    for number, name in enumerate("ba"):
        with cache.building("guest") as scratch:
            entry = scratch / "entry"
            entry.mkdir()
            (entry / "initramfs.cpio").write_text(name)
            value = GuestImage(
                digest=name, packages=(), size_bytes=1, path=cache.entry("guests", name) / "x"
            )
            cache.publish(entry, "guests", name, value)
        os.utime(cache.entry("guests", name), (number, number))

    assert bench.image.digest
    images = machine._entries(cache, "guests", GuestImage)
    assert [image.digest for image in images] == ["b", "a"]
