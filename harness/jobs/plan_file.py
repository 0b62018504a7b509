# SPDX-License-Identifier: GPL-2.0-only
"""A plan's file, read; what it says is judged in harness/compare/plan_text.py."""

from pathlib import Path

from harness.compare.plan import Plan
from harness.compare.plan_text import parse_plan, with_number
from harness.errors import UserError


def read_plan(path: Path, cpus: int | None = None, nodes: int | None = None) -> Plan:
    """Read a plan's file, for guests of `cpus` and `nodes` if given; UserError if it is wrong."""
    return parse_plan(plan_text(path, cpus, nodes), str(path))


def plan_text(path: Path, cpus: int | None = None, nodes: int | None = None) -> str:
    """Return a plan's text, for guests of `cpus` and `nodes` if given; UserError if none."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read ({error}); name a plan, see vm/plans") from error
    return with_number(with_number(text, "cpus", cpus), "nodes", nodes)
