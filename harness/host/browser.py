# SPDX-License-Identifier: GPL-2.0-only
"""The user's browser, where there is one."""

import logging
import os
import webbrowser
from pathlib import Path

logger = logging.getLogger("open")

_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")


def show(path: Path) -> bool:
    """Open a file in the browser; return whether there was one to open it.

    $BROWSER names one. Without a display there is none: one of text would take the terminal, and
    has no pictures.
    """
    if any(os.environ.get(name) for name in _DISPLAYS):
        try:
            if webbrowser.open(path.as_uri()):
                return True
        except webbrowser.Error as error:
            logger.debug("%s", error)
    logger.info("no browser here; open the file in one")
    return False
