# SPDX-License-Identifier: GPL-2.0-only
"""The pages of docs/reference as Markdown, made from the code that they describe.

What is told of a counter, a field or an exit code is the comment behind it.
"""

import argparse
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum, StrEnum
from types import NoneType, UnionType
from typing import Any, NewType, get_args, get_origin, get_type_hints

import msgspec

from harness import items
from harness.cli.comments import comments_of
from harness.cli.options import Several, Switch
from harness.cli.parser import Command, Parser
from harness.cli.verbs import Verb
from harness.compare import plan as plans
from harness.compare.claims import Claim, Relation
from harness.compare.kinds import KINDS
from harness.compare.kinds.base import RequestKind
from harness.compare.measures import Measure
from harness.compare.states import EASY, STATE_NUMBERS
from harness.errors import Exit
from harness.limits import (
    DEADLINE_S_MAX,
    HOTPLUG_STEP_MIB,
    MEMORY_MIB_MIN,
    NODES_MAX,
    REQUESTS_MAX,
    SCHEDULE_MAX,
    SEED_MAX,
)
from harness.model.state import GfpClass
from harness.texts.guest.background import Background
from harness.texts.guest.plug_memory import Plugged
from harness.texts.proc.sysctl import PolicyMode

_MADE = "<!-- Made from the code; pytest --rewrite-golden writes it anew. -->"
_PLAIN: Mapping[object, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
}
_LIMITS: Mapping[tuple[type, str], str] = {
    (plans.Plan, "memory_mib"): f"{MEMORY_MIB_MIN} or more",
    (plans.Plan, "nodes"): f"1 to {NODES_MAX}",
    (plans.Plan, "hotplug_mib"): f"in steps of {HOTPLUG_STEP_MIB}",
    (plans.Plan, "seeds"): f"0 to {SEED_MAX} each, none twice",
    (plans.State, "deadline_s"): f"1 to {DEADLINE_S_MAX}",
    (plans.Burst, "deadline_s"): f"1 to {DEADLINE_S_MAX}",
    (plans.Burst, "requests"): f"0 to {REQUESTS_MAX}",
    (plans.Burst, "background_load"): f"0 to {REQUESTS_MAX}",
    (plans.Burst, "cpu"): "0 to cpus - 1",
    (plans.Burst, "background_cpu"): "0 to cpus - 1",
    (plans.Arm, "schedule"): f"0 to {SCHEDULE_MAX}",
}


def pages(command: Command, verbs: Mapping[str, Verb]) -> dict[str, str]:
    """Return each page by its file's name."""
    return {
        "command.md": _page(_command(command, verbs)),
        "counters.md": _page(_counters()),
        "measures.md": _page(_measures()),
        "plans.md": _page(_plans()),
    }


def _page(lines: Iterable[str]) -> str:
    title, *rest = lines
    return "\n".join([title, "", _MADE, *rest, ""])


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """Write a table; what is None or empty is a dash."""
    names = list(head)
    yield ""
    yield f"| {' | '.join(names)} |"
    yield f"| {' | '.join('---' for _ in names)} |"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '&#124;') or '-' for cell in row)} |"


def _code(text: object) -> str:
    return f"`{text}`"


def _members(kind: type[Enum], names: Iterable[str] | None = None) -> Iterator[tuple[str, str]]:
    """Return words and what they mean, of all members or of those named."""
    told = comments_of(kind)
    for one in kind.__members__ if names is None else names:
        yield _code(kind[one].value), told[one]


# -- the command


def _command(command: Command, verbs: Mapping[str, Verb]) -> Iterator[str]:
    yield "# The command"
    yield ""
    yield "`buddylab VERB --help` prints the same for one verb. Defaults of your own are"
    yield "[settings](../settings.md). Every verb takes `--verbose` (every command that is run, and"
    yield "every check) and `--quiet` (the answer and errors, no progress)."
    group = None
    for name, verb in verbs.items():
        if group is not verb.GROUP:
            group = verb.GROUP
            yield from ("", f"## {group[0].upper()}{group[1:]}")
        yield from _verb(name, verb, command.verbs[name])
    yield from ("", "## Exit codes")
    told = comments_of(Exit)
    codes = sorted((code.value, told[code.name]) for code in Exit)
    yield from _table(("code", "meaning"), [(str(code), meaning) for code, meaning in codes])
    yield ""
    yield "125 and 129 are answers of `judge --expect`, see"
    yield "[bisect a regression](../howto/bisect.md)."


def _verb(name: str, verb: Verb, parser: Parser) -> Iterator[str]:
    yield from ("", f"### {name}", "", f"{verb.HELP[0].upper()}{verb.HELP[1:]}.", "")
    yield from (f"    {line}" for line in verb.EXAMPLES)
    shown = [one for one in parser._actions if one.help != argparse.SUPPRESS]  # noqa: SLF001
    common = {"help", "verbose", "quiet"}
    rows = [
        (_option(one), " ".join((one.help or "").split()), _default(one))
        for one in shown
        if one.dest not in common
    ]
    if rows:
        yield from _table(("argument", "meaning", "default"), rows)


def _option(one: argparse.Action) -> str:
    word = str(one.metavar or one.dest.upper()).replace("|", " or ")
    if not one.option_strings:
        return _code(f"[{word}]" if one.nargs == "?" else word)
    if isinstance(one, Switch):
        return _code(f"--[no-]{one.option_strings[0][2:]}")
    values = f" {word}" if one.nargs is None else ""
    again = " ..." if isinstance(one, Several) else ""
    choices = f": {', '.join(map(_code, one.choices))}" if one.choices is not None else ""
    return _code(f"{one.option_strings[-1]}{values}{again}") + choices


def _default(one: argparse.Action) -> str:
    shown = one.default not in (None, False, argparse.SUPPRESS) and one.default != []
    return _code(one.default) if shown else ""


# -- counters


def _counters() -> Iterator[str]:
    yield "# Counters"
    yield ""
    yield "What a kernel with the series counts."
    yield "[What the counters mean](../architecture.md#what-the-counters-mean) tells when each is"
    yield "counted; the series documents it in `Documentation/filesystems/proc.rst`."
    yield from ("", "## /proc/buddy_monitor", "", f"A line for each order: `{items.HEADER}`.")
    told = comments_of(items.Counts)
    by_column = dict(_members(items.Item))
    columns = [(_code(name), told[name] or by_column[_code(name)]) for name in items.COUNTERS]
    frag_pct = "per cent of free pages in blocks below the cutoff, as recorded last"
    yield from _table(("column", "counts"), [*columns, (_code(items.FRAG_PCT), frag_pct)])
    for title, file, kind, why in (
        ("Steps", "success_by_step", items.STEP_ITEMS, "They add up to `success`."),
        ("Reasons", "fail_by_reason", items.REASON_ITEMS, "They add up to `fail`."),
        (
            "Results of compaction",
            "compact_by_result",
            items.RESULT_ITEMS,
            "`skipped` and `stall` add up to `compact`, `success` and `fail` to `stall`.",
        ),
    ):
        yield from ("", f"## {title}", "", f"`buddy_monitor/{file}` in debugfs, by order. {why}")
        item_told = comments_of(items.Item)
        rows = [(_code(one.value.partition("_")[2]), item_told[one.name]) for one in kind]
        yield from _table(("column", "counts"), rows)
    yield from ("", "## The last resort", "", "`buddy_monitor/last_resort` in debugfs, by order:")
    yield f"`{' '.join(items.LAST_RESORT_COUNTS)}`, the work of mode `clear`: attempts, one for"
    yield "each zone; zones skipped because of their back-off; aligned ranges emptied; pages"
    yield "inspected, and pages scanned for migration; attempts that led to a block."


# -- measures


def _measures() -> Iterator[str]:
    yield "# Measures and relations"
    yield ""
    yield "The words of a plan's [claims](../comparisons.md#claims) and of `judge --expect`."
    yield from ("", "## Measures", "", "Pages or events unless said otherwise.")
    yield from _table(("measure", "what"), _members(Measure))
    yield from ("", "## Relations", "")
    yield "Of the differences arm - reference, one for each seed. The interval is the 95 %"
    yield "bootstrap interval of their mean."
    yield from _table(("relation", "holds if"), _members(Relation))


# -- plans


def _plans() -> Iterator[str]:
    yield "# Plans"
    yield ""
    yield "A plan is a TOML file (`vm/plans`). [Comparisons](../comparisons.md) tells what it is"
    yield "for. A word that is not listed here is refused."
    for title, kind in (
        ("The plan", plans.Plan),
        ("[[states]]", plans.State),
        ("[[bursts]]", plans.Burst),
        ("[[arms]]", plans.Arm),
        ("policy = {...}", plans.PolicyKnobs),
        ("[[kernels]]", plans.Kernel),
        ("[[claims]]", Claim),
    ):
        yield from ("", f"## {title}")
        yield from _fields(kind)
    yield from ("", "## Words")
    yield from ("", "### States", "", "`make` names one; the script's head says what each is.")
    states = [(_code(f"{name}_N"), _numbers(numbers)) for name, numbers in STATE_NUMBERS.items()]
    yield from _table(("state", "N"), [*states, (_code(EASY), "")])
    yield from ("", "### Kinds of request")
    told = comments_of(RequestKind)
    kinds = [(_code(kind), _numbers(KINDS[kind].orders), told[kind.name]) for kind in RequestKind]
    yield from _table(("kind", "orders", "who asks"), kinds)
    yield from ("", "### Modes of the policy")
    modes = comments_of(PolicyMode)
    yield from _table(
        ("mode", "sysctl", "what it does"),
        [(_code(one.word), str(one.value), modes[one.name]) for one in PolicyMode],
    )
    yield from ("", "### Classes of gfp flags", "")
    yield f"{', '.join(map(_code, GfpClass))}: `kmod/high_order_test.c` has the flags of each."
    yield from ("", "### before, thp_defrag and plugged")
    words = (*_members(plans.Action), *_members(plans.ThpDefrag), *_members(Plugged))
    yield from _table(("word", "what"), words)
    yield from ("", "### background")
    yield from _table(("word", "what"), _members(Background))
    yield from ("", "### Kernels that are there without [[kernels]]", "")
    yield f"`{plans.PATCHED}`: with the series; `{plans.UNPATCHED}`: the source as it is;"
    yield f"`{plans.CONFIGURED_OUT}`: with the series, CONFIG_BUDDY_MONITOR off;"
    yield f"`{plans.DISCARDED}NAME`: with the series and the change of `patches/designs/NAME.toml`."


def _numbers(numbers: Iterable[int]) -> str:
    found = list(numbers)
    if isinstance(numbers, range) and len(found) > 1:
        return f"{found[0]} to {found[-1]}"
    return ", ".join(map(str, found))


def _fields(kind: type[msgspec.Struct]) -> Iterator[str]:
    told, hints = comments_of(kind), get_type_hints(kind)
    rows = []
    for one in msgspec.structs.fields(kind):
        limits = _LIMITS.get((kind, one.name))
        what = "; ".join(each for each in (told[one.name], limits) if each)
        what = what.replace("None:", "not given:")
        rows.append((_code(one.name), _typed(hints[one.name]), _field_default(one), what))
    yield from _table(("key", "value", "default", "what"), rows)


def _field_default(one: msgspec.structs.FieldInfo) -> str:
    if one.required:
        return "**required**"
    value = one.default if one.default is not msgspec.NODEFAULT else None
    if value is None or value in ("", ()):
        return ""
    return _code(str(value).lower() if isinstance(value, bool) else value)


def _typed(hint: Any) -> str:
    """Return a field's type in the words of TOML."""
    if isinstance(hint, NewType):
        hint = hint.__supertype__
    if isinstance(hint, UnionType):
        return " or ".join(_typed(one) for one in get_args(hint) if one is not NoneType)
    if get_origin(hint) is tuple:
        return f"list of {_typed(get_args(hint)[0])}s"
    if get_origin(hint) is dict:
        return "table of whole numbers"
    return _PLAIN.get(hint, "word" if issubclass(hint, StrEnum) else "table")
