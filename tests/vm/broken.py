# SPDX-License-Identifier: GPL-2.0-only
"""A guest that can be broken on purpose: its image with a module of faults (tests/data/alarms)."""

import subprocess  # noqa: TID251 - gen_init_cpio
from dataclasses import replace
from pathlib import Path

import pytest

from harness.host.cache import Cache
from harness.host.deadline import Deadline
from harness.host.files import sha256_file
from harness.host.make import slot_for
from harness.values import GuestImage, KernelBuild

FAULTS = Path(__file__).parents[1] / "data/alarms/faults/faults.c"
BUILD_LIMIT_S = 300.0


def with_faults(build: KernelBuild, image: GuestImage, cache: Cache, folder: Path) -> GuestImage:
    """Return the image with /faults.ko, built beside the kernel's objects."""
    slot = slot_for(build.tree, build.flavour, build.compiler, cache)
    if not (slot.objects / "vmlinux").exists():
        pytest.skip("the objects of this kernel, which was built before, are gone")
    folder.mkdir()
    (folder / "faults.c").write_bytes(FAULTS.read_bytes())
    (folder / "Kbuild").write_text("obj-m := faults.o\n")
    deadline = Deadline.after(BUILD_LIMIT_S, "building the module")
    with slot.held(cache) as slot:
        slot.turn_to(build.tree, cache)
        list(slot.make([f"M={folder}", "modules"], deadline=deadline, log_path=folder / "log"))
    listing = folder / "listing"
    listing.write_text(f"file /faults.ko {folder / 'faults.ko'} 0644 0 0\n")
    more = subprocess.run(
        [str(build.directory / "gen_init_cpio"), str(listing)], check=True, stdout=subprocess.PIPE
    ).stdout
    archive = folder / "initramfs.cpio"
    archive.write_bytes(image.path.read_bytes() + more)  # the kernel unpacks one after the other
    return replace(image, path=archive, digest=sha256_file(archive))
