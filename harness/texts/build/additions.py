# SPDX-License-Identifier: GPL-2.0-only
"""What a change adds to a kernel that its Documentation has to name, by its sources. Pure.

A change is the texts of its files before and after; a name counts as added where no file of
the change had it before.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_C = (".c", ".h")
_STRING = r'\(\s*"([^"\n]+)"'
PROC = re.compile(rf"\bproc_(?:create\w*|mkdir\w*){_STRING}")
SYSCTL = re.compile(r'\.procname\s*=\s*"([^"\n]+)"')
DEBUGFS = re.compile(rf"\bdebugfs_create_\w+{_STRING}")
SYSFS = re.compile(r"\b[A-Z_]*ATTR(?:_R[OW]|_WO)?\(\s*(\w+)")
BOOT_PARAMETER = re.compile(r'\b(?:early_param|core_param|__setup)\(\s*"([^"\n=]+)')
MODULE_PARAMETER = re.compile(r"\bmodule_param(?:_named|_array|_string|_cb)?\(\s*(\w+)")
DESCRIPTION = re.compile(r"\bMODULE_PARM_DESC\(\s*(\w+)")
IOCTL = re.compile(r"^#define\s+(\w+)\s+_IO[RW]*\(", re.MULTILINE)
EXPORT = re.compile(r"\bEXPORT_SYMBOL\w*\(\s*(\w+)")

# Those of memory-barriers.txt and the compiler's own.
_BARRIER = re.compile(
    r"\b(?:barrier|(?:smp_|virt_|dma_)?[rw]?mb|smp_mb__\w+|smp_store_(?:release|mb)"
    r"|smp_load_acquire)\("
)
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_OPTION = re.compile(r"^(?:menu)?config\s+(\w+)\n((?:(?:[ \t#].*)?\n)*)", re.MULTILINE)
_PROMPT = re.compile(r'^\s+(?:(?:bool|tristate|int|hex|string)\s+"|prompt\s+")', re.MULTILINE)
_DEFAULT_ON = re.compile(r"^\s+(?:default|def_bool|def_tristate)\s+([ym])\b(.*)$", re.MULTILINE)
_HELP = re.compile(r"^[ \t]+(?:---)?help(?:---)?[ \t]*\n(?:[ \t]*\n)*[ \t]+\S", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class File:
    """A file of a change; empty before: it is new."""

    before: str
    after: str


Change = Mapping[str, File]  # by path below the source


def added(change: Change, pattern: re.Pattern[str]) -> tuple[str, ...]:
    """Return what `pattern` finds in the C files afterwards and did not find before, in order."""
    files = [file for path, file in sorted(change.items()) if path.endswith(_C)]
    before = {name for file in files for name in pattern.findall(_code(file.before))}
    after = (name for file in files for name in pattern.findall(_code(file.after)))
    return tuple(dict.fromkeys(name for name in after if name not in before))


def _code(text: str) -> str:
    return _COMMENT.sub("", text)


@dataclass(frozen=True, slots=True)
class Barrier:
    """A memory barrier that a change adds."""

    path: str
    line: int
    text: str
    explained: bool  # by a comment on its line or just above

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


def barriers(change: Change) -> Iterator[Barrier]:
    """Yield each memory barrier that a C file has more often than before."""
    for path, file in sorted(change.items()):
        if not path.endswith(_C):
            continue
        old = Counter(each.text for each in _barriers(path, file.before))
        for each in _barriers(path, file.after):
            if old[each.text]:
                old[each.text] -= 1
            else:
                yield each


def _barriers(path: str, text: str) -> Iterator[Barrier]:
    lines = text.split("\n")
    code = _COMMENT.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text).split("\n")
    for at, bare in enumerate(code):
        # A macro that makes one is the kernel's own; what is declared is none.
        if _BARRIER.search(bare) and not bare.lstrip().startswith("#"):
            above = next((i for i in range(at - 1, -1, -1) if lines[i].strip()), None)
            said = above is not None and not code[above].strip()
            here = "/*" in lines[at] or "//" in lines[at]
            yield Barrier(path, at + 1, bare.strip(), said or here)


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A Kconfig option that a change adds or alters."""

    name: str
    asked: bool  # it has a prompt
    default_on: str  # the line that turns it on; empty: off unless asked for
    has_help: bool


def options(change: Change) -> tuple[Option, ...]:
    """Return the Kconfig options that are not as before."""
    found = []
    for path, file in sorted(change.items()):
        if not path.rpartition("/")[2].startswith("Kconfig"):
            continue
        before = dict(_OPTION.findall(file.before))
        for name, text in _OPTION.findall(file.after):
            # What follows an option up to the next keyword is its own.
            if text.rstrip() == before.get(name, "").rstrip():
                continue
            on = _DEFAULT_ON.search(text)
            found.append(
                Option(
                    name=name,
                    asked=bool(_PROMPT.search(text)),
                    default_on=on[0].strip() if on else "",
                    has_help=bool(_HELP.search(text)),
                )
            )
    return tuple(found)


def functions(change: Change, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of `names` that a C file of the change defines as functions."""
    texts = [_code(file.after) for path, file in change.items() if path.endswith(_C)]
    return tuple(
        name
        for name in names
        if any(re.search(rf"^[a-z][\w *]*\b{name}\(", text, re.MULTILINE) for text in texts)
    )


def has_kernel_doc(change: Change, name: str) -> bool:
    """Whether a comment of the change's files documents the function `name` as kernel-doc."""
    begin = re.compile(rf"/\*\*\n[ \t]*\*[ \t]+{name}(?:\(\))?[ \t]+-")
    return any(begin.search(file.after) for file in change.values())
