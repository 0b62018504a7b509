# SPDX-License-Identifier: GPL-2.0-only
"""Kconfig values: what a fragment asks for and what `.config` holds. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from harness.errors import UserError

_SET = re.compile(r"^(CONFIG_\w+)=(.*)$")
_UNSET = re.compile(r"^# (CONFIG_\w+) is not set$")

NOT_SET = "n"


def parse_config(text: str) -> dict[str, str]:
    """Return option -> value (y, m, n, a number or a quoted string); others are absent."""
    options = {}
    for line in text.splitlines():
        if match := _SET.match(line):
            options[match.group(1)] = match.group(2)
        elif match := _UNSET.match(line):
            options[match.group(1)] = NOT_SET
    return options


def dropped(requested: Mapping[str, str], actual: Mapping[str, str]) -> tuple[str, ...]:
    """Say which requested options `make olddefconfig` did not keep, and what is there instead.

    An option asked to be off is kept when it is off or unknown to this kernel.
    """
    return tuple(
        f"{option}={value} (is {actual.get(option, 'absent')})"
        for option, value in requested.items()
        if actual.get(option, NOT_SET) != value
    )


# What guests are told and tell through: without it there is nothing to boot, or to read.
NEEDED = """
CONFIG_64BIT CONFIG_PRINTK CONFIG_TTY CONFIG_SERIAL_8250_CONSOLE CONFIG_BLK_DEV_INITRD
CONFIG_BINFMT_ELF CONFIG_BINFMT_SCRIPT CONFIG_PROC_FS CONFIG_SYSFS CONFIG_DEVTMPFS CONFIG_TMPFS
CONFIG_MODULES CONFIG_DEBUG_FS CONFIG_DEVMEM CONFIG_DEVPORT CONFIG_FW_CFG_SYSFS
CONFIG_VM_EVENT_COUNTERS
"""
# What the guest's own fragment chooses where any choice would do: left to a whole .config.
_CHOICES = """
CONFIG_SMP CONFIG_NR_CPUS CONFIG_HIGH_RES_TIMERS CONFIG_NO_HZ_IDLE CONFIG_HZ_250
CONFIG_LOG_BUF_SHIFT CONFIG_BUG CONFIG_DEBUG_BUGVERBOSE CONFIG_PRINTK_TIME CONFIG_HAVE_KERNEL_LZ4
CONFIG_KERNEL_LZ4
CONFIG_SLUB CONFIG_SLUB_DEBUG CONFIG_CC_OPTIMIZE_FOR_PERFORMANCE CONFIG_JUMP_LABEL CONFIG_ZONE_DMA
CONFIG_ZONE_DMA32 CONFIG_SWAP CONFIG_TRANSPARENT_HUGEPAGE CONFIG_TRANSPARENT_HUGEPAGE_MADVISE
CONFIG_HUGETLBFS CONFIG_CGROUPS CONFIG_MEMCG CONFIG_SYSVIPC CONFIG_POSIX_MQUEUE CONFIG_NETDEVICES
CONFIG_ETHERNET CONFIG_NET_VENDOR_INTEL CONFIG_E1000 CONFIG_MAGIC_SYSRQ CONFIG_DEBUG_KERNEL
CONFIG_ARCH_RANDOM CONFIG_FHANDLE CONFIG_AIO CONFIG_MEMBARRIER
"""
# What stands at the top of a .config that Kconfig wrote.
_WHOLE = "# Automatically generated file; DO NOT EDIT."


@dataclass(frozen=True, slots=True, kw_only=True)
class UserConfig:
    """Options of the user's: some, or a whole .config."""

    name: str  # of the file, for messages
    text: str
    is_whole: bool


def parse_user_config(name: str, text: str) -> UserConfig:
    """Read a fragment or a .config; UserError for what is neither, or leaves no guest."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#") and not _SET.match(line):
            raise UserError(f"{name}:{number}: {line[:60]!r} is no option CONFIG_NAME=VALUE")
    options = parse_config(text)
    if not options:
        raise UserError(f"{name} sets no option; give a fragment or a .config of a kernel")
    is_whole = _WHOLE in text
    off = [each for each in NEEDED.split() if options.get(each) == NOT_SET]
    if off and not is_whole:
        raise UserError(f"{name} turns off {', '.join(off)}, without which no guest can be run")
    return UserConfig(name=name, text=text, is_whole=is_whole)


def without_modules(text: str) -> str:
    """Return a .config in which nothing is a module: guests load none but this project's."""
    return re.sub(r"(?m)^(CONFIG_\w+)=m$", r"# \1 is not set", text)


def added(config: str, fragment: Mapping[str, str]) -> dict[str, str]:
    """Return what of a fragment a .config lacks: what is off or a module there, and is needed."""
    has = parse_config(config)
    choices = _CHOICES.split()
    return {
        option: value
        for option, value in fragment.items()
        if value == "y" and has.get(option) != value and option not in choices
    }
