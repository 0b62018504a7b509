# SPDX-License-Identifier: GPL-2.0-only
"""A plan's file, read; what it says is judged in harness/compare/plan_text.py."""

from pathlib import Path

from harness.compare.plan import Plan
from harness.compare.plan_text import parse_plan
from harness.errors import UserError


def read_plan(path: Path) -> Plan:
    """Read a plan's file; UserError says which word of it is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read ({error}); name a plan, see vm/plans") from error
    return parse_plan(text, str(path))
