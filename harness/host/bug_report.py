# SPDX-License-Identifier: GPL-2.0-only
"""A fault of buddylab itself: a text that says what happened, kept where it can be found."""

import datetime as dt
import os
import platform
import secrets
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness import __version__
from harness.texts.text import without_credentials

_OURS = "BUDDYLAB_"


def bug_report(
    error: BaseException, argv: Sequence[str], environment: Mapping[str, str], when: str
) -> str:
    """Say what was asked for and where it broke; of the environment only what is ours."""
    ours = [f"  {name}={value!a}" for name, value in sorted(environment.items()) if _OURS in name]
    lines = (
        f"buddylab {__version__}, {when}",
        f"Python {platform.python_version()}, {platform.platform()}",
        f"arguments: {list(argv)!a}",
        *(("environment:", *ours) if ours else ()),
        "",
        "".join(traceback.format_exception(error)),
    )
    return without_credentials("\n".join(lines))


def kept(error: BaseException, argv: Sequence[str], folder: Path | None) -> Path | None:
    """Write the report into `folder`, else into the temporary directory; None if neither can."""
    when = dt.datetime.now(dt.UTC)
    text = bug_report(error, argv, os.environ, when.isoformat(timespec="seconds"))
    name = f"buddylab-bug-{when:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}.txt"
    for place in (folder, Path(tempfile.gettempdir())):
        if place is None:
            continue
        try:
            place.mkdir(parents=True, exist_ok=True)
            path = place / name
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
        except (OSError, ValueError):
            continue
        return path
    return None
