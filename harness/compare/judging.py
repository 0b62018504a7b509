# SPDX-License-Identifier: GPL-2.0-only
"""The plan of a judgement: a plan's arms, each on the base, on the base again, and changed. Pure.

"Again" is the base in another layout (patches/again.toml): the A/A control, whose differences
from the base are noise.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from harness.compare.plan import PATCHED, Kernel, Plan, Variant
from harness.compare.plan_text import parse_plan
from harness.errors import UserError

BASE = Variant("base")
AGAIN = Variant("again")
CHANGE = Variant("change")
CONTROL = "patches/again.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A base, and what is to be judged against it."""

    source: str  # as --kernel has it
    before: tuple[str, ...]  # changes that the base has already
    changes: tuple[str, ...]  # each a patch, one after the other
    config: str
    each: bool  # whether every prefix is judged, and not the whole alone

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        """The base, the control, and what is judged."""

        def kernel(name: Variant, *changes: str) -> Kernel:
            return Kernel(
                name=name,
                source=self.source,
                changes=(*self.before, *changes),
                config=self.config,
            )

        whole = kernel(CHANGE, *self.changes)
        prefixes = tuple(
            kernel(prefix_name(count), *self.changes[:count])
            for count in range(1, len(self.changes))
        )
        judged = (*prefixes, whole) if self.each else (whole,)
        return (kernel(BASE), kernel(AGAIN, CONTROL), *judged)


def prefix_name(count: int) -> Variant:
    """Name the kernel that has the first patches of a change, but not all."""
    return Variant(f"change-{count}")


def arm_name(setting: str, variant: Variant, plan: Plan) -> str:
    """Name the arm that a plan's arm becomes on a kernel."""
    return variant if len(plan.arms) == 1 else f"{variant}-{setting}"


def judged_text(plan: Plan, subject: Subject) -> str:
    """Return the text of a plan whose arms run on each of the subject's kernels.

    Raises UserError for a plan that names kernels itself.
    """
    if own := [arm for arm in plan.arms if arm.kernel != PATCHED]:
        raise UserError(
            f"plan {plan.name}: arm {own[0].name} names the kernel {own[0].kernel!r}, but judge "
            f"has {BASE}, {AGAIN} and {CHANGE}, and runs each arm on all of them; leave it out"
        )
    if plan.claims:
        raise UserError(
            f"plan {plan.name} has claims about its own arms; leave them out and use --expect"
        )
    arms = [
        {**_fields(arm), "name": arm_name(arm.name, kernel.name, plan), "kernel": kernel.name}
        for kernel in subject.kernels
        for arm in plan.arms
    ]
    whole = {
        **_fields(plan),
        "baseline": arm_name(plan.baseline, BASE, plan),
        "arms": arms,
        "kernels": [_fields(kernel) for kernel in subject.kernels],
    }
    del whole["claims"]
    return _toml(whole)


def judged_plan(plan: Plan, subject: Subject) -> Plan:
    """Return that plan."""
    return parse_plan(judged_text(plan, subject), f"plan {plan.name}, to judge")


def settings(plan: Plan) -> tuple[tuple[str, str], ...]:
    """Return the base's arms of a judged plan: their names, and what settings they stand for."""
    names = [arm.name for arm in plan.arms if arm.kernel == BASE]
    return tuple((name, name.removeprefix(BASE).removeprefix("-")) for name in names)


def arm_of(setting: str, variant: Variant) -> str:
    """Name an arm of a judged plan; `setting` is empty where there is one."""
    return f"{variant}-{setting}" if setting else variant


def judged_variants(plan: Plan) -> tuple[Variant, ...]:
    """Return the kernels of a judged plan that are held against its base."""
    variants = dict.fromkeys(arm.kernel for arm in plan.arms)
    return tuple(each for each in variants if each not in (BASE, AGAIN))


def _fields(value: msgspec.Struct) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(value)
    return {name: each for name, each in found.items() if each is not None}


def _toml(plan: Mapping[str, Any]) -> str:
    """Print a plan: its own values, and then each of its lists of tables."""
    lines = ["# SPDX-License-Identifier: GPL-2.0-only", "# Made by `buddylab judge`."]
    tables = {name: value for name, value in plan.items() if _is_tables(value)}
    lines += [f"{name} = {_value(value)}" for name, value in plan.items() if name not in tables]
    for name, rows in tables.items():
        for row in rows:
            lines += ["", f"[[{name}]]"]
            lines += [f"{key} = {_value(value)}" for key, value in row.items() if value is not None]
    return "\n".join(lines) + "\n"


def _is_tables(value: object) -> bool:
    return isinstance(value, Sequence) and bool(value) and isinstance(value[0], Mapping)


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        pairs = [
            f"{json.dumps(key)} = {_value(each)}" for key, each in value.items() if each is not None
        ]
        return f"{{ {', '.join(pairs)} }}" if value else "{}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(_value, value))}]"
    # JSON's strings, numbers and truths are TOML's as well, but for this one character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
