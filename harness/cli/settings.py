# SPDX-License-Identifier: GPL-2.0-only
"""Settings: a user's own defaults of options, in a TOML file; the command line is over it.

    [all]                          # for each verb that has the option
    kernel = "debian:6.1"
    [run]                          # for one verb, over [all]
    scale = "small"

docs/settings.md has all keys. A value is read as the option's own would be.
"""

import argparse
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.cli.options import Several, Switch
from harness.errors import UserError

PLACE = "BUDDYLAB_SETTINGS"
ALL = "all"
_LISTS = "it takes a list of words"
# The exit codes of --expect are for `git bisect run`, which is told so on the command line; with
# --ci, `doctor` does nothing else.
_NEVER = frozenset({"expect", "ci"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One key of the file, as the option takes it."""

    key: str
    option: argparse.Action
    value: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a file sets, by verb."""

    file: Path
    of_verb: Mapping[str, tuple[Setting, ...]]


Options = Mapping[str, Mapping[str, argparse.Action]]  # by verb and by name, without dashes


def place() -> Path | None:
    """Return the file: $BUDDYLAB_SETTINGS, or the user's; None if that is not there."""
    if (named := os.environ.get(PLACE)) is not None:
        return Path(named) if named else None
    import platformdirs

    file = platformdirs.user_config_path("buddylab") / "settings.toml"
    return file if file.exists() else None


def read(file: Path, options: Options) -> Settings:
    """Read a file; UserError names it, the table and the key that cannot be."""
    from harness.encoding import UNREADABLE

    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"settings {file} cannot be read ({error}); mend it, or set ${PLACE} to another file"
        ) from error
    except UNREADABLE as error:
        raise UserError(f"{file} is not TOML: {error}") from error
    _require_known(file, tables, options)
    return Settings(
        file=file,
        of_verb={
            verb: tuple(_settings(file, tables, verb, known)) for verb, known in options.items()
        },
    )


def settable(options: Mapping[str, argparse.Action]) -> dict[str, argparse.Action]:
    """Return the options that may be set: those that have a value, and switches with a --no-."""
    return {
        name: one
        for name, one in options.items()
        if name not in _NEVER
        and (one.nargs is None or (isinstance(one, Switch) and not name.startswith("no-")))
    }


def table(options: Options) -> str:
    """Return all keys as Markdown: what docs/settings.md has."""
    rows: dict[tuple[str, str], list[str]] = {}
    for verb, known in options.items():
        for name, one in settable(known).items():
            rows.setdefault((name, _kind(one)), []).append(verb)
    lines = [f"| `{name}` | {kind} | {', '.join(verbs)} |" for (name, kind), verbs in rows.items()]
    return "\n".join(["| key | value | verbs |", "| --- | --- | --- |", *sorted(lines)]) + "\n"


def _kind(option: argparse.Action) -> str:
    if isinstance(option, Switch):
        return "true or false"
    if isinstance(option, Several):
        return "a list of words"
    if option.choices is not None:
        return ", ".join(f"`{choice}`" for choice in option.choices)
    return f"{option.metavar or option.dest.upper()}".replace("|", " or ")


def _require_known(file: Path, tables: Mapping[str, object], options: Options) -> None:
    for name, content in tables.items():
        if not isinstance(content, dict):
            raise UserError(f"{file}: {name} stands outside of a table; put it below [{ALL}]")
        if name != ALL and name not in options:
            raise UserError(
                f"{file}: [{name}] is no verb; tables are {ALL} and {', '.join(options)}"
            )
        known = options.values() if name == ALL else (options[name],)
        for key in content:
            there = {each for one in known for each in settable(one)}
            if key not in there:
                raise UserError(
                    f"{file}: [{name}] {key} is no key; there are {', '.join(sorted(there))}"
                )


def _settings(
    file: Path,
    tables: Mapping[str, Mapping[str, object]],
    verb: str,
    known: Mapping[str, argparse.Action],
) -> Iterator[Setting]:
    may = settable(known)
    for name in (ALL, verb):
        for key, raw in tables.get(name, {}).items():
            if key in may:
                try:
                    value = _value(may[key], raw)
                except (argparse.ArgumentTypeError, ValueError) as error:
                    raise UserError(f"{file}: [{name}] {key} = {raw!r}: {error}") from error
                yield Setting(key=key, option=may[key], value=value)


def _value(option: argparse.Action, raw: object) -> object:
    if isinstance(option, Switch):
        if not isinstance(raw, bool):
            raise ValueError("it is true or false")  # noqa: TRY004 - told as a value
        return raw
    if isinstance(option, Several):
        if not isinstance(raw, list) or not all(isinstance(one, str) for one in raw):
            raise ValueError(_LISTS)
        return [_converted(option, one) for one in raw]
    if isinstance(raw, bool) or not isinstance(raw, str | int):
        raise ValueError("it takes a word or a whole number")  # noqa: TRY004 - told as a value
    return _converted(option, str(raw))


def _converted(option: argparse.Action, text: str) -> object:
    convert = option.type
    value = convert(text) if callable(convert) else text
    if option.choices is not None and value not in option.choices:
        raise ValueError(f"it is one of {', '.join(map(str, option.choices))}")
    return value
