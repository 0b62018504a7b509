# SPDX-License-Identifier: GPL-2.0-only
"""The project's own files: patches, kmod and vm, in a checkout or installed."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def checkout() -> Path | None:
    """Return the project's directory; None where it is installed."""
    return _PACKAGE.parent if (_PACKAGE.parent / "pyproject.toml").exists() else None


def asset(name: str) -> Path:
    """Return a directory of the project (patches, kmod, vm), in a checkout or installed."""
    place = checkout()
    return _PACKAGE / "data" / name if place is None else place / name
