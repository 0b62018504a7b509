# SPDX-License-Identifier: GPL-2.0-only
"""Where a guest stands that hangs: read from QEMU's words, named by the kernel's symbols."""

import subprocess  # noqa: TID251 - gcc makes the image
from pathlib import Path

import pytest

from harness.host import elf
from harness.host.standstill import Cpu, Symbols, describe, parse_registers

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
