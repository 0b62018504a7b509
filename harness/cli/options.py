# SPDX-License-Identifier: GPL-2.0-only
"""Options that several verbs share, and the types of their values."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.limits import COUNT_MAX, MEMORY_MIB_MAX, MEMORY_MIB_MIN, ROUNDS_MAX, SEED_MAX
from harness.values import Counters


def add_kernel_options(parser: argparse.ArgumentParser, *, patched: bool) -> None:
    """Declare which kernel, and how much of the series."""
    parser.add_argument(
        "--kernel",
        type=word,
        metavar="NAME|PATH",
        help="a release (default 5.15.180), debian:LINE, debian:LINE@SUITE, a source directory or "
        "archive, or DIR@COMMIT of a git repository",
    )
    if patched:
        parser.add_argument(
            "--upto",
            type=word,
            metavar="PATCH",
            help="apply the series up to this patch; 0 for no patch",
        )
        add_counters_option(parser)


def add_counters_option(parser: argparse.ArgumentParser) -> None:
    """Declare what the monitor's counters are."""
    parser.add_argument(
        "--counters",
        choices=(Counters.PERCPU.value, Counters.ATOMIC.value),
        metavar="KIND",
        default=Counters.PERCPU.value,
        help="the monitor's counters: percpu (default), or atomic, shared by all CPUs",
    )


def add_flavour_option(parser: argparse.ArgumentParser, *, measured: bool) -> None:
    """Declare what more its kernel is configured with; `measured` by the guest's modules or not."""
    parser.add_argument(
        "--flavour",
        type=measured_flavours if measured else names,
        metavar="NAME,...",
        help=f"kernel options: debug (KASAN, lockdep), preempt{'' if measured else ', rt'}",
    )


def add_emulator_option(parser: argparse.ArgumentParser) -> None:
    """Declare which QEMU."""
    parser.add_argument(
        "--qemu",
        type=word,
        metavar="PATH|SUITE",
        help="a program, or a suite like bookworm-backports (default: $BUDDYLAB_QEMU, or the one "
        "in PATH)",
    )


def add_cpus_option(parser: argparse.ArgumentParser, default: str) -> None:
    """Declare how many CPUs a guest has; nothing is asked for if it is not given."""
    parser.add_argument(
        "--cpus",
        type=positive,
        metavar="N",
        help=f"of each guest (default: {default}); several in a repeatable one need QEMU 10",
    )


def add_nodes_option(parser: argparse.ArgumentParser, default: str) -> None:
    """Declare how many nodes a guest's memory has; nothing is asked for if it is not given."""
    parser.add_argument(
        "--nodes",
        type=positive,
        metavar="N",
        help=f"NUMA nodes of equal memory in each guest (default: {default})",
    )


def add_guest_options(parser: argparse.ArgumentParser) -> None:
    """Declare what the guest has."""
    add_emulator_option(parser)
    parser.add_argument(
        "--accelerator",
        choices=("auto", "kvm", "tcg"),
        metavar="KIND",
        default="auto",
        help="kvm or tcg (default: live, KVM if it boots a guest here; else TCG)",
    )
    add_cpus_option(parser, "1, of a live guest 2")
    add_nodes_option(parser, "1")
    parser.add_argument(
        "--memory",
        type=mebibytes,
        metavar="MIB",
        help="the guest's memory (default: the scale's; more for debug)",
    )


class Switch(argparse.Action):
    """An option that is on or, with --no- before its name, off: over a user's settings."""

    def __init__(self, option_strings: Sequence[str], dest: str, **more: Any) -> None:
        off = [f"--no-{each.removeprefix('--')}" for each in option_strings]
        super().__init__([*option_strings, *off], dest, nargs=0, default=False, **more)

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        """Turn it on or off."""
        del parser, values
        setattr(namespace, self.dest, not (option_string or "").startswith("--no-"))


class Several(argparse.Action):
    """An option that may be given again, for one value more; then those of settings give way."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        """Take one value."""
        del parser, option_string
        before = getattr(namespace, self.dest)
        given = [] if before is self.default or before is None else before
        setattr(namespace, self.dest, [*given, values])


def word(text: str) -> str:
    """Read what is not empty: an empty variable of a script's would mean the default."""
    if not text:
        raise argparse.ArgumentTypeError("it is empty; leave the option out, or give a value")
    return text


def path(text: str) -> Path:
    """Read a path: an empty one would be the directory where the command is given."""
    return Path(word(text))


def whole(text: str, least: int, most: int) -> int:
    """Read a whole number within bounds."""
    digits = len(str(most))
    if text.isascii() and text.isdigit() and len(text) <= digits and least <= int(text) <= most:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")


def positive(text: str) -> int:
    """Read how many of something."""
    return whole(text, 1, COUNT_MAX)


def rounds(text: str) -> int:
    """Read how often kmod/reallocate.c frees pages and takes others."""
    return whole(text, 1, ROUNDS_MAX)


def seed(text: str) -> int:
    """Read a seed, as QEMU and the guest's programs take it."""
    return whole(text, 0, SEED_MAX)


def mebibytes(text: str) -> int:
    """Read a guest's memory in MiB: at least what a guest boots with."""
    return whole(text, MEMORY_MIB_MIN, MEMORY_MIB_MAX)


def several_mebibytes(text: str) -> tuple[int, ...]:
    """Read sizes in MiB, with commas between them."""
    return tuple(mebibytes(each) for each in text.split(","))


def measured_flavours(text: str) -> tuple[str, ...]:
    """Read flavours of a kernel in which the guest's modules count, with interrupts off."""
    found = names(text)
    if "rt" in found:
        raise argparse.ArgumentTypeError(
            "a real-time kernel's locks sleep, and the guest's modules count with interrupts off: "
            "nothing can be measured in it; `buddylab build` and `shell` take it"
        )
    return found


def names(text: str) -> tuple[str, ...]:
    """Read names with commas between them."""
    found = tuple(name.strip() for name in text.split(","))
    if not all(found):
        raise argparse.ArgumentTypeError(f"{text!r} has no name where one belongs")
    return found
