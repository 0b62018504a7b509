# SPDX-License-Identifier: GPL-2.0-only
"""Which version of this project runs, for what it leaves to say where it came from."""

import functools
import re

from harness import __version__
from harness.errors import HostError
from harness.host import assets
from harness.host.command import CommandFailedError, run
from harness.host.deadline import Deadline

UNKNOWN = "unknown"
_ASK_LIMIT_S = 20.0
# What hatch-vcs appends to the version of a commit without a tag.
_IN_VERSION = re.compile(r"[+.]g([0-9a-f]{7,40})\b")


@functools.cache
def commit() -> str:
    """Name the commit, with "-dirty" if tracked files were changed; UNKNOWN if nothing tells."""
    checkout = assets.checkout()
    if checkout is not None:
        if not (checkout / ".git").exists():
            return UNKNOWN  # an unpacked archive; a repository around it is another's
        argv = ["git", "--no-optional-locks", "describe", "--always", "--dirty"]
        argv += ["--abbrev=40", "--exclude=*"]
        try:
            deadline = Deadline.after(_ASK_LIMIT_S, "asking for the commit")
            said = run(argv, cwd=checkout, deadline=deadline).output.strip()
        except (CommandFailedError, HostError, OSError):
            return UNKNOWN
        return said if re.fullmatch(r"[0-9a-f]{40}(-dirty)?", said) else UNKNOWN
    found = _IN_VERSION.search(__version__)
    return found[1] if found else UNKNOWN
