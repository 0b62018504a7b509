# SPDX-License-Identifier: GPL-2.0-only
"""The two files that a guest is made of, held to their digests as they are launched.

A digest that an earlier stage noted is what the file was. What it is now is what runs.
"""

from dataclasses import dataclass
from pathlib import Path

from harness.errors import StageError
from harness.host.files import sha256_file
from harness.values import GuestImage, KernelBuild


@dataclass(frozen=True, slots=True, kw_only=True)
class BootFiles:
    """The two files that a guest is made of, and what they are believed to be."""

    kernel: Path
    initrd: Path
    vmlinux_digest: str
    initramfs_digest: str

    @property
    def name(self) -> str:
        """Tell one kernel and initramfs from another."""
        return f"{self.vmlinux_digest} {self.initramfs_digest}"


def boot_files(build: KernelBuild, image: GuestImage) -> BootFiles:
    """Return what the stages before a boot have made."""
    return BootFiles(
        kernel=build.image.absolute(),
        initrd=image.path.absolute(),
        vmlinux_digest=build.vmlinux_digest,
        initramfs_digest=image.digest,
    )


def require_unaltered(subject: BootFiles) -> None:
    """Digest both files, as they are about to be launched; StageError names one that changed."""
    for path, expected in (
        (subject.kernel, subject.vmlinux_digest),
        (subject.initrd, subject.initramfs_digest),
    ):
        found = sha256_file(path)
        if found != expected:
            raise StageError(
                "boot",
                f"{path} was altered since it was made: sha256 {found[:16]}, was "
                f"{expected[:16]}; remove {path.parent} and give the same command again",
            )
