# SPDX-License-Identifier: GPL-2.0-only
"""The line that names why a build failed, whoever says it and whatever stands around it."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.texts.build.build_log import NO_CAUSE, first_error

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
    "gcc, not done": ("", "mm/a.c:3:4: sorry, unimplemented: this kind of asm"),
    "gcc, without memory": (
        "",
        "cc1: out of memory allocating 65536 bytes after a total of 9 bytes",
    ),
    "gcc, by its machine": ("", "x86_64-linux-gnu-gcc-12: error: unrecognized option '-mfoo'"),
    "gcc, without its own parts": (
        "",
        "gcc: fatal error: cannot execute 'cc1': execvp: No such file",
    ),
    "clang, killed": ("", "clang-17: error: unable to execute command: Killed"),
    "clang, a backend": ("", "fatal error: error in backend: Cannot select: t5: i64 = f"),
    "clang, assembling": ("", "<inline asm>:1:2: error: invalid instruction mnemonic 'movv'"),
    "LLVM": ("PLEASE submit a bug report to llvm\n", "LLVM ERROR: out of memory"),
    "gas, of warnings": (
        "mm/a.S:9: Error: 1 warning, treating warnings as errors\n",
        "mm/a.S:3: Error: x",
    ),
    "gas, a file": ("Assembler messages:\n", "Fatal error: can't create mm/a.o: Permission denied"),
    "gas, an option": ("", "as: unrecognized option '--foo'"),
    "gas, itself": ("", "mm/a.S:7: Internal error (Aborted)."),
    "ld, killed": ("", "collect2: fatal error: ld terminated with signal 9 [Killed]"),
    "ld, absent": ("", "collect2: fatal error: cannot find 'ld'"),
    "ld, far away": ("", "a.c:(.text+0x1): relocation truncated to fit: R_X86_64_PC32 against `g'"),
    "ld, discarded": (
        "",
        "`f' referenced in section `.text' of mm/a.o: defined in discarded section `.exit' of b.o",
    ),
    "ld, a script": ("", "ld:./arch/x86/kernel/vmlinux.lds:12: syntax error"),
    "ld, what it goes on with": (
        (
            "ld: warning: a.o: missing .note.GNU-stack section implies executable stack\n"
            "ld: NOTE: This behaviour is deprecated and will be removed in a future version\n"
            "ld: skipping incompatible /lib/libelf.so when searching for -lelf\n"
        ),
        "ld: final link failed: No space left on device",
    ),
    "ld, an older one": (
        "mm/a.o: In function `f':\n",
        "a.c:(.text+0x1): undefined reference to `g'",
    ),
    "lld of a version": ("", "/usr/bin/ld.lld-17: error: unable to find library -lelf"),
    "objcopy": ("", "objcopy: 'vmlinux': No such file"),
    "ar": ("ar: creating mm/lib.a\n", "ar: mm/a.o: No such file or directory"),
    "modpost, a symbol file": ("", "FATAL: modpost: parse error in symbol dump file"),
    "objtool, killed": (
        "",
        "/bin/sh: line 1: 4711 Segmentation fault      ./tools/objtool/objtool",
    ),
    "objtool, of old": ("", "error: objtool: orc not implemented"),
    "objtool, a warning alone": ("", "mm/a.o: warning: objtool: missing symbol for section .text"),
    "Kconfig, a circle": ("", "mm/Kconfig:8:error: recursive dependency detected!"),
    "Kconfig, a file": ("", 'init/Kconfig:1: can\'t open file "mm/Kconfig.none"'),
    "Kconfig, of a debug menu": ("", "lib/Kconfig.debug:10: unterminated string"),
    "Kconfig, a default": (
        "*** Default configuration is based on 'defconfig'\n***\n",
        '*** Can\'t find default configuration "arch/x86/configs/none_defconfig"!',
    ),
    "Kconfig, a configuration": ("\n", "*** Error during writing of the configuration."),
    "no configuration": ("", "  ERROR: Kernel configuration is invalid."),
    "a compiler that is too old": ("***\n", "*** C compiler is too old."),
    "a script's tool": ("", "scripts/link-vmlinux.sh: line 145: pahole: command not found"),
    "a script, killed": ("", "./scripts/link-vmlinux.sh: line 98: 9 Killed    pahole -J vmlinux"),
    "a shell, killed": ("", "Killed"),
    "make's own tool": ("", "make[2]: flex: No such file or directory"),
    "make, crashing": ("", "make[1]: *** [scripts/Makefile.build:250: mm/a.o] Segmentation fault"),
    "make, without processes": ("", "make[1]: vfork: Resource temporarily unavailable"),
    "make, without files": ("", "make: *** No targets specified and no makefile found.  Stop."),
    "make, too much": ("", "make[2]: execvp: /bin/sh: Argument list too long"),
    "BTF, too old": ("", "BTF: .tmp_vmlinux.btf: pahole version v1.15 is too old, need v1.16"),
    "BTF, not there": ("", "FAILED: load BTF from vmlinux: No data available"),
    "BTF, a symbol": ("WARN: resolve_btfids: unresolved symbol f\n", "FAILED unresolved symbol g"),
    "pahole": ("", "pahole: .tmp_vmlinux1: Invalid argument"),
    "a library of a tool": (
        "",
        "pahole: error while loading shared libraries: libdwarves.so.1: cannot",
    ),
    "kallsyms": ("", "Inconsistent kallsyms data"),
    "kallsyms, a name": ("", "Symbol f too long for kallsyms (520 >= 512)."),
    "relocs": ("", "Invalid absolute R_X86_64_32S relocation: f"),
    "Python, no message": ("Traceback (most recent call last):\n", "AssertionError"),
    "perl": ("", "Died at scripts/recordmcount.pl line 12."),
    "perl, a module": ("", "Can't locate Text/X.pm in @INC (you may need to install it)"),
    "awk": ("", "awk: cmd. line:1: fatal: cannot open file `x' for reading"),
    "env": ("", "/usr/bin/env: 'python3': No such file or directory"),
    "openssl": ("", "sign-file: ./certs/signing_key.pem: No such file or directory"),
    "bison": ("", "scripts/kconfig/parser.y:1.1-2: error: syntax error, unexpected identifier"),
    "rustc": ("", "error[E0425]: cannot find value `x` in this scope"),
    "dtc": ("", "FATAL ERROR: Unable to parse input tree"),
    "a source's place in a name": ("", "/src/a:b/mm/a.c:3:4: error: e"),
    "gcc in German": ("mm/a.c:1:2: Warnung: w\n", "mm/a.c:3:4: Fehler: »x« nicht deklariert"),
    "gcc in French": ("", "mm/a.c:3:4: erreur: « x » non déclaré"),
    "gcc in Chinese": ("mm/a.c:1:2: 警告\uff1aw\n", "mm/a.c:3:4: 错误\uff1a\u2018x\u2019未声明"),
}
# As CIs, loggers and `ts` put them in front of each line.
STAMPS = (
    "12:00:01 ",
    "[    3.141593] ",
    "2026-11-30T12:00:01.000Z ",
    "2026-11-30 12:00:01,123 ",
    "[12:00:01] ",
    "[2026-11-30T12:00:01.000Z] ",
    "Nov 30 12:00:01 ",
    "#12 3.456 ",
    "2026-11-30T12:00:01.000000Z 01O ",
)


@pytest.mark.parametrize("who", SAID)
def test_who_fails_names_the_cause(who: str) -> None:
    before, line = SAID[who]
    assert first_error(f"  CC      mm/z.o\n{before}{line}\n{AFTER}") == line.strip()


@pytest.mark.parametrize("who", SAID)
def test_several_jobs_colours_and_times_hide_nothing(who: str) -> None:
    before, line = SAID[who]
    coloured = line.replace("error:", "\x1b[01;31m\x1b[Kerror:\x1b[m\x1b[K")
    linked = "\x1b]8;;https://gcc.gnu.org/x#Wfoo\x07"
    log = f"  CC      mm/z.o\n{before}{linked}{coloured}\n  CC      mm/y.o\n{AFTER}"
    for stamp in STAMPS:
        timed = "".join(f"{stamp}{one}\r\n" for one in log.splitlines())
        assert first_error(timed) == line.strip()


def test_what_a_tool_says_comes_before_what_is_said_in_vain() -> None:
    log = "/bin/sh: 1: pahole: not found\nmm/a.c:3:4: error: e\n"
    assert first_error(log) == "mm/a.c:3:4: error: e"


def test_what_stands_before_makes_line_comes_before_what_is_said_in_vain() -> None:
    """However make's line is far from it, and whatever another job says between them."""
    vain = "/bin/sh: 1: pahole: not found\n" + "  CC      mm/z.o\n" * 50
    late = "mm/y.c:1:2: warning: w\n    1 | int y;\n      |     ^\n"
    for cause in ("Symbol f too long for kallsyms (520 >= 512).", "cp: cannot stat 'x'", "Odd."):
        assert first_error(f"{vain}{cause}\n  CC      mm/y.o\n{late}{AFTER}") == cause


def test_a_cause_may_come_after_makes_line() -> None:
    """Where what is said and where it went wrong come through two pipes."""
    assert first_error(f"{AFTER}mm/a.c:3:4: error: e\n") == "mm/a.c:3:4: error: e"


def test_of_several_jobs_the_first_that_fails_is_told() -> None:
    """Also where another's compiler says why that failed in a form that is known better."""
    log = f"make[1]: flex: No such file or directory\n{AFTER}mm/a.c:3:4: error: e\n{AFTER}"
    assert first_error(log) == "make[1]: flex: No such file or directory"


def test_what_make_ignores_is_no_cause() -> None:
    ignored = "{}\nmake[1]: [Makefile:12: x] Error 1 (ignored)\n"
    for said in ("rm: cannot remove 'x'", "/bin/sh: 1: x: not found", "x.c:1:2: error: probe"):
        log = f"{ignored.format(said)}mm/Makefile:3: *** missing separator.  Stop.\n"
        assert first_error(log) == "mm/Makefile:3: *** missing separator.  Stop."


@pytest.mark.parametrize(
    "line",
    [
        "   12 | /* a.c:1:2: error: in a comment */",
        "if ! test -f x; then echo 'a.c:1: error: none'; false; fi",
        "mm/a.c:1:2: warning: the text `error: x' is long",
        "mm/a.c:1:2: note: see error: x",
        "  HOSTCC  scripts/error: x",
        "ld: warning: error: x",
    ],
)
def test_the_word_error_elsewhere_in_a_line_is_no_error(line: str) -> None:
    assert first_error(f"{line}\nmm/a.c:3:4: error: e\n{AFTER}") == "mm/a.c:3:4: error: e"


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("", NO_CAUSE),
        ("  CC      lib/error-inject.o\n  LD      vmlinux.o\n", NO_CAUSE),
        ("cc1: all warnings being treated as errors\n", NO_CAUSE),
        ("collect2: error: ld returned 1 exit status\n", NO_CAUSE),
        (AFTER, "make[2]: *** [scripts/Makefile.build:250: mm/a.o] Error 1"),
        (
            "make: *** Waiting for unfinished jobs....\nmake: *** [a] Error 2\n",
            "make: *** [a] Error 2",
        ),
        (
            "make[1]: *** Deleting file 'mm/a.o'\nmake: *** [a] Error 2\n",
            "make: *** [a] Error 2",
        ),
        ("*** Default configuration is based on 'defconfig'\n", NO_CAUSE),
    ],
)
def test_what_only_follows_is_no_cause(log: str, said: str) -> None:
    assert first_error(log) == said


@given(st.text(alphabet=st.sampled_from("make: ***[]error 1/\x1b\r\n"), max_size=300))
def test_any_log_has_an_answer_of_one_line(log: str) -> None:
    assert len(first_error(log).splitlines()) <= 1


PIECES = ("a", "a: ", "1:", "error ", "***", "ld: x", "\x1b[", "\x1b]8", "error: ", "in section ")


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("lines", [1, 250])
def test_a_long_log_takes_little_time(piece: str, lines: int) -> None:
    """1 MB of it, in a line or in lines that are all as long as is looked at."""
    line = piece * (1_000_000 // lines // len(piece))
    started_s = time.process_time()
    first_error(f"{line}\n" * lines)
    assert time.process_time() - started_s < 5
