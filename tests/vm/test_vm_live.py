# SPDX-License-Identifier: GPL-2.0-only
"""A live run on a real kernel: ssh by fabric, the console by pexpect, and a guest shut in."""

import contextlib
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from emulators import emulators

from harness import pipeline
from harness.host import ssh
from harness.host.cache import Cache
from harness.host.deadline import Deadline
from harness.report.document import Run, Verdict
from harness.stages import boot
from harness.stages.boot import LiveGuest, RunSettings
from harness.stages.boot_files import boot_files
from harness.stages.check import check, save_key
from harness.stages.run import run
from harness.values import Accelerator, GuestImage, KernelBuild, RunMode
from harness.workloads import paper as experiments

pytestmark = pytest.mark.vm

SCALE = experiments.Scale.SMALL
LOOPBACK = "0100007F"
LISTENING = "0A"


@pytest.fixture(scope="module")
def bootable() -> tuple[KernelBuild, GuestImage]:
    kernel = os.environ.get("BUDDYLAB_TEST_KERNEL") or None
    return pipeline.bootable(pipeline.KernelRequest(kernel=kernel), pipeline.open_cache())


def settings(memory_mib: int) -> RunSettings:
    return RunSettings(mode=RunMode.LIVE, memory_mib=memory_mib, cpus=2, seed=1, scale=SCALE)


def sockets(pid: int) -> set[str]:
    """Return the inodes of a process's sockets."""
    found = set()
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed while we look
            link = str(path.readlink())
            if link.startswith("socket:["):
                found.add(link[len("socket:[") : -1])
    return found


def listeners(pid: int) -> set[tuple[str, int]]:
    """Return the addresses on which a process listens, as the kernel writes them."""
    own = sockets(pid)
    found = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        path = Path("/proc/net") / table
        for line in path.read_text().splitlines()[1:] if path.exists() else ():
            fields = line.split()
            if fields[9] in own and (fields[3] == LISTENING or table.startswith("udp")):
                address, _, port = fields[1].partition(":")
                found.add((address, int(port, 16)))
    return found


@pytest.fixture(scope="module")
def guest(
    bootable: tuple[KernelBuild, GuestImage], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[LiveGuest, Path]]:
    what = boot_files(*bootable)
    folder = tmp_path_factory.mktemp("live")
    speed = boot.measured_speed(what, settings(256), Cache.default())
    with boot.live_guest(what, settings(256), speed, folder) as live:
        yield live, folder
        assert boot.power_off(live)
    assert emulators(folder) == []
    assert not live.address.private_key.exists()


def say(live: LiveGuest, line: str) -> tuple[int, str]:
    deadline = Deadline.after(30.0 * live.speed.slowdown, line)
    with ssh.connected(live.address, deadline) as session:
        answer = session.run(line, deadline)
    return answer.exit, answer.output.decode() + answer.complaint


def test_ssh_is_offered_to_this_machine_alone(guest: tuple[LiveGuest, Path]) -> None:
    live, folder = guest
    (pid,) = emulators(folder)

    assert listeners(pid) == {(LOOPBACK, live.address.port)}


def test_key_is_the_runs_own(guest: tuple[LiveGuest, Path]) -> None:
    live, _ = guest

    assert live.address.private_key.stat().st_mode & 0o077 == 0
    assert live.address.private_key.parent.stat().st_mode & 0o077 == 0


def test_all_cpus_are_up(guest: tuple[LiveGuest, Path]) -> None:
    assert say(guest[0], "nproc") == (0, "2\n")


def test_guest_has_no_way_out(guest: tuple[LiveGuest, Path]) -> None:
    status, routes = say(guest[0], "ip route")

    assert status == 0
    assert re.fullmatch(r"10\.0\.2\.0/24 dev eth0 .*\n", routes)
    assert say(guest[0], "ping -c 1 -W 1 192.0.2.1")[0] != 0


@pytest.fixture
def host_port() -> Iterator[int]:
    """A server of this machine that a guest with a network would reach as 10.0.2.2."""
    import socket  # noqa: PLC0415, TID251 - what must not be reached

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)

        def answer() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(b"reached\n")

        threading.Thread(target=answer, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def test_guest_reaches_nothing(guest: tuple[LiveGuest, Path], host_port: int) -> None:
    """Neither the host nor the emulator's name server, even with the routes it has not."""
    live, _ = guest
    targets = [("10.0.2.2", host_port), ("10.0.2.2", 22), ("10.0.2.3", 53), ("192.0.2.1", 80)]
    say(live, "ip route add default via 10.0.2.2")
    try:
        for address, port in targets:
            _, said = say(live, f"timeout 3 nc -w 2 {address} {port} < /dev/null; echo $?")
            assert "reached" not in said
            assert said.splitlines()[-1] != "0", (address, port)
        _, said = say(live, "timeout 5 nslookup -type=a example.org 10.0.2.3; echo $?")
        assert said.splitlines()[-1] != "0", said
    finally:
        say(live, "ip route del default")


@pytest.mark.long
def test_every_check_holds(bootable: tuple[KernelBuild, GuestImage], tmp_path: Path) -> None:
    build, image = bootable
    plan = experiments.stages(SCALE)
    seen: list[tuple[str, set[str]]] = []

    def look(name: str, _number: int, _count: int) -> None:
        (pid,) = emulators(tmp_path)
        seen.append((name, {address for address, _ in listeners(pid)}))

    identity = run(
        build,
        image,
        plan,
        settings(experiments.memory_mib(SCALE)),
        folder=tmp_path,
        cache=Cache.default(),
        progress=look,
    )
    save_key(tmp_path, identity)
    judged: Run = check(tmp_path)

    assert [(item.name, item.details) for item in judged.checks if item.status == "failed"] == []
    assert judged.verdict is Verdict.ALL_HOLD
    assert seen == [(stage.name, {LOOPBACK}) for stage in plan]
    assert emulators(tmp_path) == []
    assert identity.key.accelerator in set(Accelerator)
    assert (identity.key.mode, identity.key.cpus, identity.key.icount_shift) == (
        RunMode.LIVE,
        2,
        None,
    )
