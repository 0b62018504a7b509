# SPDX-License-Identifier: GPL-2.0-only
"""Where a guest stands that hangs: read from QEMU's words, named by the kernel's symbols."""

import contextlib
import os
import stat
import subprocess  # noqa: TID251 - gcc makes the image
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import HostError, UserError
from harness.host import elf, memory_dump, qmp
from harness.host.standstill import (
    Cpu,
    Standstill,
    Symbols,
    describe,
    parse_registers,
    traced_cpus,
)

# QEMU 10.0: two CPUs, one executing the kernel, one in user space. Some lines left out.
TWO = """\r
CPU#0\r
RAX=ffff88803f000000 RBX=0000000000000001 RCX=0000000000000000 RDX=ffffffffffffffe4\r
RIP=ffffffff8150a3cb RFL=00000097 [--S-APC] CPL=0 II=0 A20=1 SMM=0 HLT=0\r
ES =0000 0000000000000000 ffffffff 00000000\r
\r
CPU#1\r
RIP=000000000040115b RFL=00000246 [---Z-P-] CPL=3 II=0 A20=1 SMM=0 HLT=0\r
XMM00=0000000000000000 0000000000000000\r
"""
EARLY = "CPU#0\nEIP=000ec39c EFL=00000002 [-------] CPL=0 II=0 A20=1 SMM=0 HLT=1\n"
SYMBOLS = Symbols(((0x1000, 0x20, "memmove"), (0x1040, 0, "entry"), (0x2000, 8, "idle")))


def cpu(address: int, number: int = 0, *, user: bool = False, idle: bool = False) -> Cpu:
    return Cpu(number=number, address=address, in_user_space=user, is_idle=idle)


def test_registers_of_all_cpus() -> None:
    assert parse_registers(TWO) == (cpu(0xFFFFFFFF8150A3CB), cpu(0x40115B, 1, user=True))
    assert parse_registers(EARLY) == (cpu(0xEC39C, idle=True),)


@pytest.mark.parametrize(
    "text",
    ["", "unknown command: 'info registers'", "CPU#0\nRAX=1\n", "CPU#0\nRIP=zz CPL=0 HLT=0\n"],
)
def test_other_words_are_nothing(text: str) -> None:
    assert parse_registers(text) == ()


def test_a_cpu_without_an_address_does_not_take_the_next_ones() -> None:
    assert parse_registers("CPU#0\nRAX=1\n\n" + EARLY.replace("#0", "#1")) == (
        cpu(0xEC39C, 1, idle=True),
    )


@pytest.mark.parametrize(
    ("address", "name"),
    [(0xFFF, ""), (0x1000, "memmove+0x0"), (0x101F, "memmove+0x1f"), (0x1020, ""), (0x1041, "")],
)
def test_an_address_is_named_inside_its_function_alone(address: int, name: str) -> None:
    assert SYMBOLS.name(address) == name


def test_one_place_each_time_is_said_once() -> None:
    looks = [[cpu(0x1010)]] * 3
    assert describe(looks, SYMBOLS) == "CPU 0 was at memmove+0x10 (0x1010) each of 3 times"


def test_places_that_change_are_said_in_order() -> None:
    looks = [[cpu(0x1010), cpu(0x2000, 1, idle=True)], [cpu(0x500), cpu(0x2000, 1, idle=True)]]
    assert describe(looks, SYMBOLS) == (
        "CPU 0 was at memmove+0x10 (0x1010), then at 0x500, no function of the kernel; "
        "CPU 1 was idle, at idle+0x0 (0x2000) each of 2 times"
    )


def test_user_space_has_no_name() -> None:
    said = describe([[cpu(0x1010, user=True)]], SYMBOLS)
    assert said == "CPU 0 was in user space, at 0x1010 each of 1 times"


def test_functions_of_an_image(tmp_path: Path) -> None:
    source = tmp_path / "one.c"
    source.write_text("int first(void) { return 1; }\nint value;\nint main(void) { return 0; }\n")
    subprocess.run(["gcc", "-no-pie", "-o", str(tmp_path / "one"), str(source)], check=True)
    found = {name: address for address, _, name in elf.functions(tmp_path / "one")}
    assert {"first", "main", "_start"} <= found.keys()
    assert "value" not in found
    assert Symbols(elf.functions(tmp_path / "one")).name(found["first"] + 1) == "first+0x1"


def test_what_is_no_image_has_no_functions(tmp_path: Path) -> None:
    (tmp_path / "vmlinux").write_bytes(b"kernel")
    assert elf.functions(tmp_path / "vmlinux") == ()
    assert elf.functions(tmp_path / "absent") == ()


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        (b"[   14.055479] CPU: 0 PID: 12 Comm: migration/0 Tainted: G O 6.1.192 #1", (0,)),
        (
            b"[    1.0] CPU: 1 UID: 0 PID: 31 Comm: init\n[    1.0] CPU: 0 UID: 7 PID: 3 Comm: a",
            (0, 1),
        ),
        (b"[    1.0] CPU: 3 PID: 1 \n" * 2, (3,)),
        (b"WARNING: CPU: 2 at mm/a.c:1 f+0x1/0x2", ()),
        (b"Sending NMI from CPU 0 to CPUs 1:\n\xff\0", ()),
        (b"", ()),
    ],
)
def test_whose_traces_a_text_has(text: bytes, cpus: tuple[int, ...]) -> None:
    """Of 6.12 on a trace names the user, too."""
    assert traced_cpus(text) == cpus


class Asked:
    """A monitor that shows a CPU, and upon an NMI has `answer` printed by a guest that ends."""

    memory = b"\x7fELF".ljust(1 << 20, b"\0") + b"the end" + bytes(300 << 10)

    def __init__(self, console: Path, answer: bytes) -> None:
        self.console, self.answer, self.is_gone = console, answer, False

    def stop(self) -> None:
        pass

    def resume(self) -> None:
        pass

    def registers(self) -> str:
        return TWO

    def dump_memory(self, target: int) -> None:
        with contextlib.suppress(OSError), os.fdopen(target, "wb") as file:
            file.write(self.memory)

    def inject_nmi(self) -> None:
        with self.console.open("ab") as file:
            file.write(self.answer)
        self.is_gone = True


def asked(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: bytes,
    dumps: Path | None = None,
) -> tuple[Standstill, Path, str]:
    console = tmp_path / "console.log"
    console.write_bytes(b"before\n")
    monitor = Asked(console, answer)

    @contextlib.contextmanager
    def connected(*_: object) -> Iterator[Asked]:
        yield monitor

    monkeypatch.setattr(qmp, "connected", connected)
    look = Standstill(
        tmp_path / "monitor",
        tmp_path / "absent",
        5.0,
        cpus=2,
        memory_mib=1,
        dumps=dumps,
        console=console,
        exit_status=lambda: 0 if monitor.is_gone else None,
    )
    return look, console, look()


def test_what_a_guest_was_made_to_print_is_bounded_and_leaves_the_console(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = b"[    1.0] CPU: 1 PID: 31 Comm: init\n".ljust(2 << 20, b"x")
    look, console, said = asked(tmp_path, monkeypatch, answer)
    assert said.endswith(
        f"backtraces: {tmp_path / 'backtraces.txt'}, printed upon an NMI, of CPU 1"
    )
    assert (tmp_path / "backtraces.txt").read_bytes() == answer[: 1 << 20]
    look.forget_the_answer()
    assert console.read_bytes() == b"before\n"


def test_words_that_are_no_trace_stay_in_the_console(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, console, said = asked(tmp_path, monkeypatch, b"[    1.0] something else\n")
    assert said.endswith("an NMI made it print no trace")
    look.forget_the_answer()
    assert console.read_bytes() == b"before\n[    1.0] something else\n"


def test_a_place_that_takes_nothing_takes_no_word_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("registers.txt", "backtraces.txt"):
        (tmp_path / name).mkdir()
    _, _, said = asked(tmp_path, monkeypatch, b"[    1.0] CPU: 1 PID: 31 Comm: init\n")
    assert said == (
        "CPU 0 was at 0xffffffff8150a3cb, no function of the kernel each of 3 times; "
        "CPU 1 was in user space, at 0x40115b each of 3 times; "
        "traces, which could not be kept, printed upon an NMI, of CPU 1"
    )


TRACE = b"[    1.0] CPU: 1 PID: 31 Comm: init\n"


def test_its_memory_is_kept_whole_where_somebody_wants_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dumps = tmp_path / "dumps"
    dumps.mkdir()
    _, _, said = asked(tmp_path, monkeypatch, TRACE, dumps)
    (kept,) = dumps.iterdir()
    assert said.endswith(f"; memory: {kept}")
    assert kept.read_bytes() == Asked.memory
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert kept.stat().st_blocks * 512 < len(Asked.memory)  # zeros take no room


def test_a_memory_that_does_not_end_or_finds_no_place_takes_nothing_else_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dumps = tmp_path / "dumps"
    dumps.mkdir()
    monkeypatch.setattr(memory_dump, "_MARGIN_MIB", 0)
    _, _, said = asked(tmp_path, monkeypatch, TRACE, dumps)
    assert "of CPU 1; its memory was not kept (more came than 1 MiB)" in said
    assert list(dumps.iterdir()) == []
    _, _, said = asked(tmp_path, monkeypatch, TRACE, tmp_path / "absent")
    assert "of CPU 1; its memory was not kept (No such file or directory)" in said


def test_room_for_a_memory_is_asked_for_before_the_guest_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(memory_dump.CHOICE, raising=False)
    assert memory_dump.require_room(1 << 30) is None
    monkeypatch.setenv(memory_dump.CHOICE, str(tmp_path))
    assert memory_dump.require_room(1) == tmp_path
    with pytest.raises(HostError, match=r"memory of 1073741824 MiB needs .* MiB free; free some,"):
        memory_dump.require_room(1 << 30)
    monkeypatch.setenv(memory_dump.CHOICE, str(tmp_path / "absent"))
    with pytest.raises(UserError, match="which is no folder that can be written to; make it, or"):
        memory_dump.require_room(1)
