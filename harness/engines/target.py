# SPDX-License-Identifier: GPL-2.0-only
"""Where an engine's workers are, as `--on` names it."""

import re
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UserError

_LOCAL = re.compile(r"local:([1-9][0-9]{0,3})")
_ADDRESS = re.compile(r"(tcp|tls|ws|wss)://\S+:\d+")
_FILE = "scheduler-file="


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One of: workers to start on this machine, a scheduler's address, its file."""

    workers: int = 0
    address: str = ""
    scheduler_file: Path | None = None

    def __str__(self) -> str:
        """Name it as `--on` does."""
        if self.workers:
            return f"local:{self.workers}"
        return self.address or f"{_FILE}{self.scheduler_file}"


def parse_target(text: str) -> Target:
    """Read what `--on` says; UserError if it names none of them."""
    if found := _LOCAL.fullmatch(text):
        return Target(workers=int(found[1]))
    if _ADDRESS.fullmatch(text):
        return Target(address=text)
    if text.startswith(_FILE) or text.endswith(".json"):
        return Target(scheduler_file=Path(text.removeprefix(_FILE)))
    raise UserError(
        f"--on {text!r} is none of tcp://HOST:PORT, {_FILE}PATH and local:N (N workers on this "
        "machine); see docs/howto/cluster.md"
    )
