# SPDX-License-Identifier: GPL-2.0-only
"""The QEMU of another suite of the machine's own distribution, brought without root.

apt verifies it as it does everything else, with directories of its own below the cache; the
packages are unpacked there. Nothing is installed, and the user's package sources stay as they
are. The libraries are this machine's: a suite built on others is refused by what it lacks.
"""

import logging
from pathlib import Path

from harness.arch import Architecture
from harness.digest import sha256_text
from harness.errors import HostError, UserError
from harness.host import command
from harness.host.apt import SUITE, Apt
from harness.host.cache import Cache
from harness.host.deadline import Deadline
from harness.host.files import remove_tree

logger = logging.getLogger("fetch")

_ASK_LIMIT_S = 30.0


def bring(suite: str, cache: Cache, arch: Architecture) -> Path:
    """Return the program of `suite`'s QEMU, unpacked below the cache; HostError if it cannot run.

    Its files lie as in the package: share/ is beside the program's directory.
    """
    if not SUITE.fullmatch(suite):
        raise UserError(
            f"{suite!r} is not the name of a suite such as bookworm-backports; "
            "a program is given by its path, with a slash"
        )
    packages = Apt(cache, suite=suite).download(
        [arch.qemu_package, *arch.qemu_needs], with_dependencies=False
    )
    key = sha256_text("qemu", *(f"{package.name}={package.version}" for package in packages))
    program = Path("usr", "bin", arch.qemu_program)
    entry = cache.entry("emulators", key)
    if not (entry / program).is_file():
        with cache.locked("emulators"), cache.building("emulator") as scratch:
            root = scratch / "entry"
            Apt(cache, suite=suite).extract(packages, root)
            _require_runs(root / program, suite, packages[0].version)
            entry.parent.mkdir(parents=True, exist_ok=True)
            remove_tree(entry)
            root.rename(entry)
        logger.info("QEMU of %s: %s", suite, entry / program)
    return entry / program


def _require_runs(program: Path, suite: str, version: str) -> None:
    """Refuse a program that this machine's libraries cannot serve."""
    deadline = Deadline.after(_ASK_LIMIT_S, "QEMU --version")
    try:
        command.run([str(program), "--version"], deadline=deadline)
    except command.CommandFailedError as error:
        said = error.tail.strip().splitlines()
        raise HostError(
            f"QEMU {version} of {suite} does not run on this machine's libraries "
            f"({said[-1] if said else 'it said nothing'}); name a suite that is made for this "
            "release, such as its backports"
        ) from error
