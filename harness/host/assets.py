# SPDX-License-Identifier: GPL-2.0-only
"""The project's own files: patches, kmod and vm, in a checkout or installed."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def asset(name: str) -> Path:
    """Return a directory of the project (patches, kmod, vm), in a checkout or installed."""
    checkout = _PACKAGE.parent / name
    return checkout if (_PACKAGE.parent / "pyproject.toml").exists() else _PACKAGE / "data" / name
