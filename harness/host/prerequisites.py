# SPDX-License-Identifier: GPL-2.0-only
"""doctor: what the host must have, and how it gets it on Debian and Ubuntu."""

import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from harness.arch.x86_64 import X86_64
from harness.errors import HostError
from harness.host import emulator
from harness.host.command import CommandFailedError, run
from harness.host.deadline import Deadline

logger = logging.getLogger("doctor")

INSTALL_LIMIT_S = 1200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One thing the host must have: a program, a header or a file, and its Debian package."""

    package: str
    program: str = ""
    header: str = ""
    file: str = ""
    why: str

    def met(self) -> bool:
        """Whether it is there."""
        if self.program:
            return shutil.which(self.program) is not None
        if self.file:
            return Path(self.file).exists()
        places = ("/usr/include", f"/usr/include/{X86_64.debian}")
        return any(Path(place, self.header).exists() for place in places)


NEEDS = (
    Need(package="gcc", program="gcc", why="compiles the kernel and the guest's tools"),
    Need(package="libc6-dev", header="stdio.h", why="static tools for the guest"),
    Need(package="make", program="make", why="kbuild"),
    Need(package="flex", program="flex", why="kconfig"),
    Need(package="bison", program="bison", why="kconfig"),
    Need(package="bc", program="bc", why="kbuild's timeconst.h"),
    Need(package="perl", program="perl", why="kbuild's scripts"),
    Need(package="libelf-dev", header="libelf.h", why="objtool"),
    Need(package="lz4", program="lz4", why="compresses the kernel image"),
    Need(package="xz-utils", program="xz", why="unpacks kernel sources"),
    Need(package="git", program="git", why="applies the patch series"),
    Need(package="patch", program="patch", why="tells fuzz and offset of each hunk"),
    Need(package=X86_64.qemu_package, program=X86_64.qemu_program, why="runs the guest"),
    Need(package="openssh-client", program="ssh-keygen", why="a key for each live run"),
    Need(
        package="ca-certificates",
        file="/etc/ssl/certs/ca-certificates.crt",
        why="knows kernel.org when it answers",
    ),
    # ccache is used where present and not asked for: a first build is slower with it.
)


# What `review` needs on top (nox -s kernel-style).
REVIEW_NEEDS = (
    Need(package="sparse", program="sparse", why="checks the kernel's annotations"),
    Need(package="quilt", program="quilt", why="takes the exported series in the tests"),
)


def missing(*, review: bool = False) -> tuple[Need, ...]:
    """Return what this host lacks."""
    wanted = (*NEEDS, *REVIEW_NEEDS) if review else NEEDS
    # Where another QEMU was chosen none need be on PATH; emulator.find tells what that one lacks.
    spared = X86_64.qemu_program if emulator.is_chosen() else None
    return tuple(need for need in wanted if not (need.met() or need.program == spared))


def install_line(needs: tuple[Need, ...]) -> str:
    """Return the command that a person would type."""
    return "apt-get install --no-install-recommends " + " ".join(need.package for need in needs)


def install(*, review: bool = False) -> tuple[Need, ...]:
    """Get what is missing, and return what that was.

    Raises HostError with the line to type where we may not.
    """
    needs = missing(review=review)
    for need in needs:
        logger.info("missing: %s (%s)", need.package, need.why)
    if needs:
        _install(needs)
    if still := missing(review=review):
        names = ", ".join(need.package for need in still)
        raise HostError(f"still missing after the installation: {names}; install them by hand")
    return needs


def _install(needs: tuple[Need, ...]) -> None:
    """Install `needs` when we are root or have sudo without a password.

    Raises HostError with the line to type otherwise.
    """
    prefix = _privilege()
    if prefix is None or shutil.which("apt-get") is None:
        raise HostError(f"{len(needs)} system packages are missing; as root: {install_line(needs)}")
    logger.info("installing: %s", " ".join(need.package for need in needs))
    deadline = Deadline.after(INSTALL_LIMIT_S, "installing packages")
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        run([*prefix, "apt-get", "-q", "update"], deadline=deadline, env=env)
        run(
            [*prefix, *install_line(needs).replace("install", "install --yes -q", 1).split()],
            deadline=deadline,
            env=env,
        )
    except CommandFailedError as error:
        raise HostError(
            f"packages cannot be installed: {error.tail}\nas root: {install_line(needs)}"
        ) from error


def _privilege() -> tuple[str, ...] | None:
    """Return how to become root without a question, or None."""
    if os.geteuid() == 0:
        return ()
    if shutil.which("sudo") is None:
        return None
    # -n: a password prompt in a job that nobody watches would wait for ever.
    deadline = Deadline.after(10.0, "asking sudo")
    try:
        status = run(["sudo", "-n", "true"], deadline=deadline, ok=None).returncode
    except CommandFailedError:
        return None
    return ("sudo", "-n") if status == 0 else None
