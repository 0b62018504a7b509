# SPDX-License-Identifier: GPL-2.0-only
"""What differs from one architecture of guests to another, as one value for each."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """One architecture: its emulator, its machine, and names that kernel and Debian give it."""

    kbuild: str  # SRCARCH: its directory below the kernel's arch/
    debian: str  # the triplet by which Debian names its directories of libraries and headers
    loader_folder: str  # where its programs look for ld-linux*.so, from the root
    kernel_image: str  # what QEMU boots, below make's output directory

    qemu_program: str
    qemu_package: str  # Debian's, which has the program
    qemu_needs: tuple[str, ...]  # Debian's packages of the same suite that the program loads from
    firmware: tuple[str, ...]  # files that QEMU loads into a guest
    machine: str  # -machine
    cpu: str  # the emulated CPU
    cpu_off: tuple[str, ...]  # a repeatable guest goes without, where the model has the property
    cpu_off_where_on: tuple[str, ...]  # and without these, where the model turns them on
    network_card: str  # of a live guest
    network_card_options: tuple[str, ...]
    network_card_where_known: tuple[str, ...]  # options that only some QEMUs have
    console: str  # the kernel's name of the first serial port
