# SPDX-License-Identifier: GPL-2.0-only
"""The alarms that a kernel's sources can print: read from C, not remembered.

A message is taken for an alarm by one of three signs, all in the source itself:
    level    it is the heading of what its function prints at KERN_CRIT or worse
    company  its function also dumps a stack or a page, or ends the lock checking: it is the
             heading, the first line of words that the function prints
    word     it begins as the kernel's reports do, or names what only a broken kernel has
WARN(), BUG() and panic() need no sign: what they print begins alike, whatever the message
(harness.texts.alarms.headings).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# What is read. mm, kernel, lib and fs whole, and the one architecture that guests have.
FOLDERS = ("mm", "kernel", "lib", "fs", "arch/x86", "include/asm-generic", "include/linux")
# Tests and torture print alarms on purpose; guests are PCs, not other machines on x86.
_NOT_READ = re.compile(
    r"/tests?/|_(?:kunit|tests?|test_module)\.[ch]$|/test[-_]?\w+\.[ch]$|selftest|torture|testsuite"
    r"|backtracetest|-test\.c$|/(?:rcu|ref)scale\.c$"
    r"|^kernel/debug/|^lib/(?:raid6|zstd|xz|lz4|mpi|crypto)/|^arch/x86/(?:um|math-emu|boot|purgatory"
    r"|tools|realmode|pci|hyperv|kvm|xen|entry/vdso|platform|virt|coco|crypto|net|events)/"
)
# A file system of a disk speaks of its medium: there only a stack dump makes an alarm.
_MEDIUM = re.compile(r"^fs/(?!proc/|sysfs/|kernfs/|debugfs/|tracefs/|ramfs/|hugetlbfs/|iomap/)\w+/")

_CALL = re.compile(
    r"\b(?:pr_(?P<level>emerg|alert|crit|err|warn|warning|notice|info)"
    r"|printk|early_printk|CHECK_DATA_CORRUPTION)(?:_once|_ratelimited|_deferred)*\s*\("
)
_LITERAL = re.compile(r'"((?:\\.|[^"\\\n])*)"')
_COMMENT = re.compile(r'/\*.*?\*/|//[^\n]*|("(?:\\.|[^"\\\n])*")', re.DOTALL)
_LEVEL = re.compile(r"\bKERN_([A-Z]+)\b")
_FUNCTION = re.compile(r"^\{[^\n]*\n.*?^\}", re.DOTALL | re.MULTILINE)
_NAME = re.compile(r"\b([a-z_]\w*)\s*\(")
_NO_NAMES = {"__printf", "__attribute__", "__acquires", "__releases", "__must_hold", "defined"}
_CALL_CHARS = 1500  # the longest call that is followed
_HEAD_CHARS = 400  # before a body: its function's name
# A message of fewer letters names nothing, unless it has a word that does.
_SHORTEST_LETTERS = 12

_NO_FUNCTION = "#define"
_SEVERE = {"EMERG", "ALERT", "CRIT"}
_COMPANY = re.compile(
    r"\b(?:dump_stack(?:_lvl)?|show_regs|debug_locks_off(?:_graph_unlock)?|dump_page"
    r"|print_trailer|sched_show_task|nmi_panic|check_panic_on_warn|trigger_\w*backtrace)\s*\("
)
_WORD = re.compile(
    r"^(?:BUG\b|WARNING: |INFO: (?:task|trying|%s)|PANIC: |UBSAN: |KASAN: |ODEBUG: |Oops\b)"
    r"|\[ BUG: |\bBUG: |[Mm]emory leaks?\b|[Cc]orrupt(?:ion|ed)\b|LOCKUP|[Ll]ockup\b|\bdeadlock"
    r"|nobody cared|ODEBUG disabled|use.after.free|double.free|\bbad p(?:[mug4]d|te)\b|[Rr]edzone"
    r"|poison (?:over|mismatch)|Bad (?:page|rss-counter)|self-detected|detected .*stalls"
    r"|Busy inodes|locking correctness validator|double fault|Machine Check"
)
_CONVERSION = re.compile(r"%[-+ #0-9*.]*(?:hh|h|ll|l|z|t|j|L)?(?:p[A-Za-z0-9]*|[a-zA-Z%])")


@dataclass(frozen=True, slots=True, order=True)
class Alarm:
    """One message that a kernel prints when something is wrong with it."""

    path: str
    function: str  # _NO_FUNCTION outside of any
    sign: str  # level, company or word
    format: str  # one line of a format string, C's escapes undone


def is_read(path: str) -> bool:
    """Say whether a file of a tree, by its path in it, belongs to what is looked through."""
    read = path.endswith((".c", ".h")) and path.startswith(tuple(f"{one}/" for one in FOLDERS))
    return read and not _NOT_READ.search(path)


def alarms_of(path: str, text: str) -> Iterator[Alarm]:
    """Yield what one file of a kernel's sources can print as an alarm."""
    text = _COMMENT.sub(lambda found: found[1] or "\n" * found[0].count("\n"), text)
    bodies = [(body.start(), body.end(), body[0]) for body in _FUNCTION.finditer(text)]
    headed: set[tuple[int, bool]] = set()
    for position, level, message in _messages(text):
        start, _end, body = next(
            (one for one in bodies if one[0] <= position < one[1]), (-position, 0, "")
        )
        block = start, level in _SEVERE
        for line in _lines(message):
            sign = "" if _MEDIUM.search(path) or not _WORD.search(line) else "word"
            if not sign and block not in headed and _is_heading(line):
                sign = _sign_of_heading(path, level, body)
            if sign or _is_heading(line):
                headed.add(block)
            if sign:
                function = _function(text, start) if body else _NO_FUNCTION
                yield Alarm(path=path, function=function, sign=sign, format=line)


def _sign_of_heading(path: str, level: str, body: str) -> str:
    if level in _SEVERE and not _MEDIUM.search(path):
        return "level"
    return "company" if _COMPANY.search(body) else ""


def _is_heading(line: str) -> bool:
    return sum(map(str.isalpha, "".join(fragments(line)))) >= _SHORTEST_LETTERS


def fragments(line: str) -> tuple[str, ...]:
    """Return what a format prints as it stands; between two of them stands anything."""
    return tuple(part.replace("\0", "%") for part in _CONVERSION.split(line.replace("%%", "\0")))


def _messages(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield where a message is printed, its level's name and its format."""
    for call in _CALL.finditer(text):
        at, depth, literals = call.end(), 1, list[str]()
        end = min(len(text), at + _CALL_CHARS)
        while at < end and depth:
            if literal := _LITERAL.match(text, at):
                literals.append(literal[1])
                at = literal.end()
                continue
            char = text[at]
            if char == ";" or (char == "," and depth == 1 and literals):
                break
            depth += (char in "([{") - (char in ")]}")
            at += 1
        level = _LEVEL.search(text, call.end(), at)
        name = level[1] if level else (call["level"] or "default").upper()
        yield call.start(), name, "".join(literals)


def _lines(message: str) -> Iterator[str]:
    """Yield the lines of a format that say something."""
    said = message.replace('\\"', '"').replace("\\t", "\t").replace("\\\\", "\\")
    yield from (
        line.rstrip() for line in said.split("\\n") if line.strip() and line[0] not in " \t"
    )


def _function(text: str, start: int) -> str:
    head = text[max(0, start - _HEAD_CHARS) : start]
    head = re.split(r"^\}|;\n|^#.*\n|\n\n", head, flags=re.MULTILINE)[-1]
    names = [name for name in _NAME.findall(head) if name not in _NO_NAMES]
    return names[0] if names else _NO_FUNCTION
