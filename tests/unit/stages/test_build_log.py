# SPDX-License-Identifier: GPL-2.0-only
"""The line that names why a build failed, whoever says it and whatever stands around it."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.texts.build.build_log import first_error

NONE = "no error line; see the end of the log"
AFTER = (
    "make[2]: *** [scripts/Makefile.build:250: mm/a.o] Error 1\n"
    "make[2]: *** Waiting for unfinished jobs....\n"
    "make: *** [Makefile:1900: mm] Error 2\n"
)
# Each is the one line to be found, with what may come before it.
SAID = {
    "gcc": ("mm/a.c: In function 'f':\nmm/a.c:1:2: warning: w\n", "mm/a.c:3:4: error: e"),
    "gcc, a note": ("In file included from mm/a.c:9:\n", "include/b.h:2:10: fatal error: no b.h"),
    "gcc, itself": ("", "mm/a.c:8:1: internal compiler error: in f, at g.cc:1"),
    "gcc, killed": ("", "gcc: fatal error: Killed signal terminated program cc1"),
    "gcc, an option": ("", "cc1: error: unrecognized command-line option '-mfoo'"),
    "clang": ("", "clang-17: error: unknown argument: '-mfoo'"),
    "a path with spaces": ("", "/src/my kernel/mm/a.c:3:4: error: e"),
    "gas": ("mm/a.S: Assembler messages:\n", "mm/a.S:7: Error: no such instruction: `movv'"),
    "gas, of C": ("", "{standard input}:40: Error: symbol `g' is already defined"),
    "ld": ("ld: mm/a.o: in function `f':\n", "a.c:(.text+0x1): undefined reference to `g'"),
    "ld, twice": ("", "ld: mm/b.o:(.bss+0x0): multiple definition of `g'; mm/a.o: first here"),
    "ld, a library": ("", "/usr/bin/ld: cannot find -lcrypto: No such file or directory"),
    "ld, beside warnings": ("ld: warning: orphan section `x'\n", "ld: section .x overlaps .y"),
    "lld": ("ld.lld: warning: w\n", "ld.lld: error: undefined symbol: g"),
    "modpost": ("WARNING: modpost: missing g\n", 'ERROR: modpost: "g" [m.ko] undefined!'),
    "modpost before 5.10": ("", 'ERROR: "g" [/src/m.ko] undefined!'),
    "modpost, strict": ("", "FATAL: modpost: Section mismatches detected."),
    "objtool": ("mm/a.o: warning: objtool: f() falls\n", "mm/a.o: error: objtool: f(): bad"),
    "Kconfig": ("mm/Kconfig:3:warning: config symbol\n", "mm/Kconfig:8: syntax error"),
    "Kconfig, $(error-if)": ("", "scripts/Kconfig.include:44: Sorry, this is not supported."),
    "a full disk": ("", "/tmp/ccA.s: fatal error: cannot write: No space left on device"),
    "a tool that is not there": ("", "/bin/sh: 1: bison: not found"),
    "a tool that may not run": ("", "/bin/sh: line 3: ./scripts/x: Permission denied"),
    "Makefile": ("", "mm/Makefile:12: *** missing separator.  Stop."),
    "no rule": ("", "make[3]: *** No rule to make target 'mm/a.o', needed by 'mm/built-in.a'."),
    "a banner": ("***\n", "*** The source tree is not clean, please run 'make mrproper'"),
    "BTF": ("", "BTF: .tmp_vmlinux.btf: pahole (pahole) is not available"),
    "Python": ("Traceback (most recent call last):\n", "ModuleNotFoundError: No module named 'x'"),
    "out of memory": ("", "make[1]: *** [scripts/Makefile.build:250: mm/a.o] Killed"),
}


@pytest.mark.parametrize("who", SAID)
def test_who_fails_names_the_cause(who: str) -> None:
    before, line = SAID[who]
    assert first_error(f"  CC      mm/z.o\n{before}{line}\n{AFTER}") == line


@pytest.mark.parametrize("who", SAID)
def test_several_jobs_colours_and_times_hide_nothing(who: str) -> None:
    before, line = SAID[who]
    coloured = line.replace("error:", "\x1b[01;31m\x1b[Kerror:\x1b[m\x1b[K")
    log = f"{AFTER}{before}{coloured}\n"
    for stamp in ("12:00:01 ", "[    3.141593] ", "2026-11-30T12:00:01.000Z ", "[12:00:01] "):
        timed = "".join(f"{stamp}{one}\n" for one in log.splitlines())
        assert first_error(timed) == line


def test_what_a_tool_says_comes_before_what_is_said_in_vain() -> None:
    log = "/bin/sh: 1: pahole: not found\nmm/a.c:3:4: error: e\n"
    assert first_error(log) == "mm/a.c:3:4: error: e"


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("", NONE),
        ("  CC      lib/error-inject.o\n  LD      vmlinux.o\n", NONE),
        ("cc1: all warnings being treated as errors\n", NONE),
        ("collect2: error: ld returned 1 exit status\n", NONE),
        (AFTER, "make[2]: *** [scripts/Makefile.build:250: mm/a.o] Error 1"),
        (
            "make: *** Waiting for unfinished jobs....\nmake: *** [a] Error 2\n",
            "make: *** [a] Error 2",
        ),
    ],
)
def test_what_only_follows_is_no_cause(log: str, said: str) -> None:
    assert first_error(log) == said


@given(st.text(alphabet=st.sampled_from("make: ***[]error 1/\x1b\r\n"), max_size=300))
def test_any_log_has_an_answer_of_one_line(log: str) -> None:
    assert len(first_error(log).splitlines()) == 1


@pytest.mark.parametrize("piece", ["a", "a: ", "1:", "error ", "***", "ld: x", "\x1b["])
def test_a_long_line_takes_no_time(piece: str) -> None:
    started_s = time.monotonic()
    first_error(piece * (1_000_000 // len(piece)))
    assert time.monotonic() - started_s < 2
