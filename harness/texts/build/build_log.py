# SPDX-License-Identifier: GPL-2.0-only
"""What make says: the first line that names why it failed. Pure, in time linear in the log.

Who fails a build says so in a form of its own. Lines that only follow from another (make's
`Error 1`, the linker driver's `ld returned 1`) name nothing, and come in any order where several
jobs run. What says it in no known form stands before make's own line.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

NO_CAUSE = "no error line; see the end of the log"

_LINE_MAX = 4096  # what is wrong stands in front: a longer line is cut
_BLOCK_LINES = 40  # how far above make's line its cause may stand
# Colours, and the addresses that gcc puts behind names of options (-fdiagnostics-urls).
_ESCAPES = re.compile(
    r"\x1b\[[0-9;:?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]{0,1000}(?:\x07|\x1b\\)|\x1b[()][A-Z0-9]"
)
# What a CI puts in front of each line: a date, a time, both; seconds; and its own mark.
_TIME = re.compile(
    r"(?:\[?(?:(?:\d{4}-\d\d-\d\d|[A-Z][a-z]{2} [ \d]\d)[T ])?"
    r"\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?\]?"
    r"|\[ *\d+\.\d+\]|#\d+ \d+\.\d+)\s"
)
_MARK = re.compile(r"(?:\d\d[OE]\+? ?|##\[error\])")

# Severities as compilers, assemblers, linkers and many others print them. gcc's own translations
# are here for logs of a tool that chooses its language by itself: a build's is pinned.
_SEVERITY = re.compile(
    r"(?:^|[:\s])(?:(?P<error>(?:[Ff]atal |FATAL |[Ii]nternal compiler )?"
    r"(?:[Ee]rror(?:\[E\d+\])?|ERROR|[Ff]ehler|erreur(?: fatale)?|ошибка|エラー|错误)"
    r"|LLVM ERROR|FATAL|Internal error|sorry, unimplemented)"
    r"|(?:[Ww]arning|WARNING|[Nn]ote|NOTE|[Rr]emark|[Ii]nfo))"
    r"(?: \([a-z_]+\))?(?:\s?:\s|\uff1a)"
)
# In front of a severity stands who says it or where: no text of a command or of a source.
_SOURCE = re.compile(r"""[^"'`|]{0,400}$""")
_FOLLOWS = re.compile(
    r"(?:collect2|\S*clang\S*): error: (?:ld returned \d|linker command failed)"
    r"|.*\bwarnings?(?:,| being) treat(?:ing|ed) (?:warnings )?as errors"
    r"|.*aborting due to \d* ?previous errors?"
)
_MAKES = r"(?:\S*/)?g?make(?:\[\d+\])?: "
_PREFIX = r"(?:\S*[/-])?"  # of a tool: where it is, and for which machine
_LD = rf"{_PREFIX}ld(?:\.bfd|\.gold|\.lld)?(?:-\d+)?:"
# Said by ld of what it goes on with.
_LD_GOES_ON = (
    r"(?!.*(?:[Ii]n function [`'].*:$|[Ww]arning: |NOTE: |DWARF error"
    r"|skipping incompatible |removing unused ))"
)
# Linkers, modpost, Kconfig and Makefiles without a severity: what is said so is why.
_TOOLS = (
    rf"{_LD}(?: |(?=\S+:\d+: )){_LD_GOES_ON}.",
    r".*: (?:multiple definition of|undefined reference to) [`']",
    r".*: (?:relocation truncated to fit|dangerous relocation): ",
    r".* referenced in section .*: defined in discarded section ",
    r'(?:ERROR|FATAL): "[^"]+" \[[^\]]+\] undefined!',
    r"(?:\S.{0,400}/)?Kconfig[^\s:]*:\d+: ?(?!warning: )\S",
    r"[^:]{1,400}(?::\d+){1,2}: \*\*\* ",
    rf"{_MAKES}\*\*\* No rule to make target ",
    (
        r".*\b(?:No space left on device|Disk quota exceeded|[Vv]irtual memory exhausted"
        r"|out of memory|Cannot allocate memory|Resource temporarily unavailable"
        r"|Too many open files|Input/output error|Read-only file system|std::bad_alloc)"
    ),
)
_KILLED = r"(?:Killed|Segmentation fault|Bus error|Aborted|Illegal instruction|Terminated)\b"
# Shells and scripts. Some of it is said in vain: it counts where no tool says why.
_AROUND = (
    rf"{_MAKES}\*\*\* (?!\[|Waiting for unfinished|Deleting )(?!.*\] {_KILLED}).",
    rf"{_MAKES}\*\*\* .*\] {_KILLED}",
    (
        rf"{_MAKES}[^*\[].*: (?:[Cc]ommand not found|Permission denied|No such file or directory"
        r"|Argument list too long|Exec format error|Operation not permitted|Text file busy)$"
    ),
    r"\S*sh: (?:line )?\d+: ",
    rf"{_KILLED}(?: \(core dumped\))?$",
    r"\*\*\* (?!Default configuration is based on |Running |Execute |End of the |WARNING)\S",
    r"BTF: (?!\s)",
    r"FAILED\b",
    r"Failed to generate BTF ",
    rf"{_PREFIX}pahole: (?!Multithreading )",
    r"(?:\w+\.)*\w*(?:Error|Exception|Interrupt)(?:: |$)",  # Python
    r"Can't locate \S+ in @INC ",  # perl
    r"(?!Use of uninit|Unescaped left brace|.*deprecated)\S.* at \S+ line \d+[.,]",
)
_TARGET = re.compile(rf"{_MAKES}\*\*\* (?:\[.*\] |Error )")
_IGNORED = re.compile(rf"{_MAKES}.*\bError \d+ \(ignored\)$")
# Lines that say what is done and by which make, or go with the line above.
_NO_COMPLAINT = re.compile(
    rf"\s|$|{_MAKES}|\$ |\*{{3}}$|\d+ (?:errors?|warnings?)\b.* generated\.|compilation terminated"
    r"|.*:$"
)
_COMPLAINT = re.compile(
    r"\b(?:errors?|fatal|fail(?:ed|s|ure)?|cannot|can't|couldn't|unable|not found|no such|denied"
    r"|bad|invalid|inconsistent|unsupported|unrecognized|unknown|missing|too (?:old|long|large|big)"
    r"|kill(?:ed)?|abort(?:ed)?|fault|undefined|no \S+ in)\b",
    re.IGNORECASE,
)


def _any(kinds: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{kind})" for kind in kinds))


_TOOL = _any(_TOOLS)
_OTHER = _any(_AROUND)


def first_error(log: str) -> str:
    """Return the first line that names why make failed, without colours and times.

    It stands above make's first line of a target that failed: the first of a tool that compiles
    or links; else what is told there in another known form, or sounds like it; where there is
    none, the first such line anywhere.
    """
    bare = [_bare(line) for line in log.splitlines()]
    lines = [
        line
        for line, after in pairwise([*bare, ""])
        if not _FOLLOWS.match(line) and not _IGNORED.match(after) and not _IGNORED.match(line)
    ]
    of_target = next((at for at, line in enumerate(lines) if _TARGET.match(line)), len(lines))
    block = lines[max(0, of_target - _BLOCK_LINES) : of_target]
    complaints, plain = _unknown(block)
    found = (
        _first(_is_tools(line) and line for line in lines[:of_target])
        or _first(_OTHER.match(line) and line for line in block)
        or _first(complaints)
        or _first(_is_tools(line) and line for line in lines[of_target:])
        or (_first(reversed(plain)) if of_target < len(lines) else None)
        or _first(_OTHER.match(line) and line for line in lines)
        or _first(lines[of_target : of_target + 1])
    )
    return (found or NO_CAUSE).strip()


def _first(lines: Iterable[object]) -> str | None:
    return next((str(line) for line in lines if line), None)


def _is_tools(line: str) -> bool:
    severity = _SEVERITY.search(line)
    if severity and _SOURCE.match(line[: severity.start()]):
        return severity["error"] is not None
    return _TOOL.match(line) is not None


def _unknown(block: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return what is said in no known form: what sounds like why, and all of it, warnings first."""
    said = [line for line in block if not _NO_COMPLAINT.match(line)]
    plain = [line for line in said if not _SEVERITY.search(line)]
    warnings = [line for line in said if _SEVERITY.search(line)]
    return [line for line in plain if _COMPLAINT.search(line)], [*warnings, *plain]


def _bare(line: str) -> str:
    text = _ESCAPES.sub("", line[:_LINE_MAX])
    for front in (_TIME, _MARK):
        if stamp := front.match(text):
            text = text[stamp.end() :]
    return text
