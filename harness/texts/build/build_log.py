# SPDX-License-Identifier: GPL-2.0-only
"""What make says: the first line that names why it failed. Pure.

Who fails a build says so in a form of its own. Lines that only follow from another (make's
`Error 1`, the linker driver's `ld returned 1`) name nothing, and come in any order where several
jobs run.
"""

import re
from collections.abc import Iterable

_LINE_MAX = 4096  # what is wrong stands in front: a longer line is cut
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
# What a CI puts in front of each line: a date, a time, both; or seconds in brackets.
_TIME = re.compile(
    r"(?:\[?(?:\d{4}-\d\d-\d\d[T ])?\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?\]?"
    r"|\[ *\d+\.\d+\])\s+"
)
_PLACE = r"[^:]{1,400}(?::\d+){1,2}: "
_MAKES = r"make(?:\[\d+\])?: "
_ERROR = r"(?:fatal |internal compiler )?[eE]rror: "
# Compilers, assemblers, linkers, modpost, objtool, Kconfig: what is said so is why.
_TOOLS = (
    rf"{_PLACE}{_ERROR}",
    rf"(?!collect2: )(?:\S{{1,400}}: )?{_ERROR}(?!linker command failed)",
    r"(?:\S*[/-])?ld(?:\.bfd|\.gold|\.lld)?(?:-\d+)?: (?!.*(?:in function [`']|warning: )).",
    r".*: (?:multiple definition of|undefined reference to) ",
    r"(?:ERROR|FATAL): modpost: ",
    r'ERROR: "[^"]+" \[[^\]]+\] undefined!',
    r"\S*Kconfig\S*:\d+: (?!warning: )",
    r".*\b(?:No space left on device|virtual memory exhausted|Cannot allocate memory)",
)
# Shells, scripts and Makefiles. Some of it is said in vain: it counts where no tool says why.
_AROUND = (
    rf"{_PLACE}\*\*\* ",
    rf"{_MAKES}\*\*\* No rule to make target ",
    rf"{_MAKES}\*\*\* .*\] Killed",
    rf"{_MAKES}[^*].*: (?:Command not found|Permission denied|No such file or directory)$",
    r"(?:\S*/)?(?:ba|da)?sh: (?:line )?\d+: ",
    r"\*\*\* \S",
    r"BTF: .*(?:not available|[Ff]ailed|[Ee]rror)",
    r"Failed to generate BTF ",
    r"(?:\w+\.)*\w*(?:Error|Exception): ",  # Python
    r"Can't locate \S+ in @INC ",  # perl
    r"(?:mv|cp|ln|rm|cat|touch|mkdir|install): .",
)
_OF_MAKE = (rf"{_MAKES}\*\*\* (?!Waiting for unfinished jobs).",)


def _any(kinds: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{kind})" for kind in kinds))


_RANKS = (_any(_TOOLS), _any(_AROUND), _any(_OF_MAKE))


def first_error(log: str) -> str:
    """Return the first line that names why make failed, without colours and times.

    The first of a tool that compiles or links; else of what stands around them; else make's own.
    """
    lines = [_bare(line) for line in log.splitlines()]
    for kind in _RANKS:
        found = next((line for line in lines if kind.match(line)), None)
        if found is not None:
            return found.strip()
    return "no error line; see the end of the log"


def _bare(line: str) -> str:
    text = _COLOUR.sub("", line[:_LINE_MAX])
    stamp = _TIME.match(text)
    return text[stamp.end() :] if stamp else text
