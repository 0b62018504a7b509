# SPDX-License-Identifier: GPL-2.0-only
"""One QEMU's program and what is asked of it: version, firmware, what its devices can do."""

import re
import socket  # noqa: TID251 - the monitor's, handed to QEMU as a descriptor
from dataclasses import dataclass
from pathlib import Path

from harness.arch import Architecture
from harness.digest import sha256_text
from harness.errors import GuestLostError, HostError
from harness.host import command, qmp
from harness.host.confinement import SANDBOX
from harness.host.deadline import Deadline
from harness.host.files import sha256_file
from harness.host.scratch import temporary

_ASK_LIMIT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What differs between QEMUs and matters to a guest: asked of QEMU, not of its version."""

    cpu: dict[str, bool]  # of the architecture's properties to be off: whether TCG turns them on
    card: tuple[str, ...]  # of the network card's options: those that it has
    sandbox: bool  # whether it starts with confinement.SANDBOX here


@dataclass(frozen=True, slots=True)
class Program:
    """A QEMU as it is started: its arguments so far, what it needs in its environment."""

    argv: tuple[str, ...]
    env: dict[str, str]
    arch: Architecture

    @property
    def elsewhere(self) -> str:
        """What to do about a QEMU that does not answer."""
        packages = " and ".join((self.arch.qemu_package, self.arch.qemu_needs[-1]))
        return f"install {packages} again, or name another QEMU with --qemu"

    def version(self) -> str:
        """Return what it calls itself, with the distribution's package version."""
        text = self._ask("--version")
        match = re.search(r"version (.+)", text)
        if match is None:
            raise HostError(f"{self.argv[0]} --version said {text[:200]!r}; {self.elsewhere}")
        return match[1].strip()

    def firmware_digest(self) -> str:
        """Digest the files that it loads into a guest, by name and content."""
        parts = []
        for name, path in self.firmware().items():
            # A file that one QEMU build lacks is part of the digest as "absent".
            parts += [name, "absent" if path is None else sha256_file(path)]
        return sha256_text(*parts)

    def firmware(self) -> dict[str, Path | None]:
        """Find the files that it loads into a guest, by name; HostError if it has none."""
        listed = self._ask("-L", "help")
        folders = [Path(line) for line in listed.splitlines() if line.startswith("/")]
        found = {
            name: next((folder / name for folder in folders if (folder / name).is_file()), None)
            for name in self.arch.firmware
        }
        if not any(found.values()):
            looked = ", ".join(map(str, folders)) or "no directory"
            raise HostError(
                f"{self.argv[0]} finds no firmware (looked in {looked}); {self.elsewhere}"
            )
        return found

    def traits(self, version: str) -> Traits:
        """Start it without a machine and let it say what CPU and network card have."""
        try:
            return self._traits(version, sandbox=True)
        except HostError:  # built without seccomp, or the host's kernel has none for it
            return self._traits(version, sandbox=False)

    def _traits(self, version: str, *, sandbox: bool) -> Traits:
        deadline = Deadline.after(_ASK_LIMIT_S, "asking for the CPU's properties")
        ours, theirs = socket.socketpair()
        with (
            ours,
            theirs,
            temporary("ask") as folder,
            command.started(
                [
                    *self.argv,
                    *("-nodefaults", "-no-user-config"),
                    *("-machine", "none", "-accel", "tcg", "-display", "none"),
                    *(SANDBOX if sandbox else ()),
                    *qmp.arguments(theirs.fileno()),
                ],
                env=self.env,
                log_path=(log := folder / "log"),
                pass_fds=(theirs.fileno(),),
            ),
        ):
            theirs.close()
            try:
                with qmp.connected(ours, deadline) as monitor:
                    return _traits(monitor, self.arch, sandbox=sandbox)
            except GuestLostError as error:
                said = log.read_text(errors="replace").strip() or str(error)
                raise HostError(
                    f"QEMU {version} does not report what its CPU {self.arch.cpu} can do: {said}; "
                    f"{self.elsewhere}"
                ) from error

    def _ask(self, *arguments: str) -> str:
        deadline = Deadline.after(_ASK_LIMIT_S, f"{self.arch.qemu_program} {arguments[0]}")
        argv = [*self.argv, *arguments]
        try:
            done = command.run(argv, deadline=deadline, env=self.env, stdout_apart=True)
        except command.CommandFailedError as error:
            raise HostError(f"{error}; {self.elsewhere}") from error
        return done.raw.decode(errors="replace")  # without what it warns of on stderr


def _traits(monitor: qmp.Monitor, arch: Architecture, *, sandbox: bool) -> Traits:
    cpu = monitor.cpu_properties(arch.cpu)
    card = monitor.device_properties(arch.network_card)
    wanted = (*arch.cpu_off, *arch.cpu_off_where_on)
    return Traits(
        cpu={name: bool(cpu[name]) for name in wanted if name in cpu},
        card=tuple(
            option for option in arch.network_card_where_known if option.partition("=")[0] in card
        ),
        sandbox=sandbox,
    )
