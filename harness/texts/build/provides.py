# SPDX-License-Identifier: GPL-2.0-only
"""What each patch of a series lets a kernel do (patches/series/provides.toml). Pure.

A kernel that has a patch can do what it provides; who wants to know asks for these words. They
are KIND.NAME, so that a file, an option or a mode is asked for by the kernel's own name of it.
"""

import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from harness.encoding import UNREADABLE
from harness.errors import UserError

KINDS = frozenset(
    "option proc column debugfs sysctl parameter mode event symbol vmstat".split()  # noqa: SIM905
)
MONITOR = "proc.buddy_monitor"
READ_BY_MODULES = "symbol.buddy_monitor_read"
# Attempts of the last resort are stalls in /proc/vmstat, too.
LAST_RESORT_STALLS = "vmstat.compact_stall"


def option(name: str) -> str:
    """Return the word for a Kconfig option, as CONFIG_NAME or NAME."""
    return f"option.{name.removeprefix('CONFIG_')}"


def debugfs(name: str) -> str:
    """Return the word for a file of debugfs buddy_monitor/."""
    return f"debugfs.{name}"


def mode(name: str) -> str:
    """Return the word for a mode of adaptive compaction."""
    return f"mode.{name}"


def parse_provides(data: bytes, patches: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Read what each of `patches` provides.

    Raises UserError where a patch is missing or another one named, and for a word that is no
    KIND.NAME or that two patches provide.
    """
    try:
        found = msgspec.convert(tomllib.loads(data.decode()), type=dict[str, tuple[str, ...]])
    except UNREADABLE as error:
        raise UserError(f"provides.toml: {error}; correct it") from error
    if wrong := sorted(found.keys() ^ set(patches)):
        raise UserError(f"provides.toml and the series disagree about {', '.join(wrong)}")
    words = [word for name in patches for word in found[name]]
    for word in words:
        kind, _, name = word.partition(".")
        if kind not in KINDS or not name:
            known = ", ".join(sorted(KINDS))
            raise UserError(f"provides.toml: {word!r} is no KIND.NAME; kinds are {known}")
    if twice := sorted(word for word, times in Counter(words).items() if times > 1):
        raise UserError(
            f"provides.toml names {', '.join(twice)} twice; the first patch provides it"
        )
    return found


def provided(by_patch: Mapping[str, Sequence[str]], patches: Sequence[str]) -> tuple[str, ...]:
    """Return what a kernel with `patches` can do, in their order."""
    return tuple(word for name in patches for word in by_patch.get(name, ()))
