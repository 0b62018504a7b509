# SPDX-License-Identifier: GPL-2.0-only
"""The series, the kernel lines and the designs, as they lie in patches/."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import UserError
from harness.host.assets import asset
from harness.texts.build.edit import Edit, LineChanges, parse_edit, parse_overrides
from harness.texts.build.line import Line, Rename, line_of, parse_line, stock_line
from harness.texts.build.provides import parse_provides
from harness.texts.build.series import parse_series
from harness.values import KernelSource

_LINE_FILE = "line.toml"
_PROVIDES = "provides.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A patch series as one kernel line has it."""

    name: str
    directory: Path
    patches: tuple[str, ...]  # file names, in order
    overrides: Mapping[str, LineChanges]  # by patch
    provides: Mapping[str, tuple[str, ...]]  # by patch (harness.texts.build.provides)
    renames: tuple[Rename, ...] = ()


def series_in(directory: Path) -> Series:
    """Return the series in a directory, as it lies there.

    Raises UserError when a listed patch is absent or a present one is not listed.
    """
    try:
        names = parse_series((directory / "series").read_bytes())
    except FileNotFoundError:
        raise UserError(f"{directory} has no `series` file; list the patches in it") from None
    present = {path.name for path in directory.glob("*.patch")}
    if wrong := sorted(present.symmetric_difference(names)):
        raise UserError(f"{directory}/series and its patches disagree about {', '.join(wrong)}")
    file = directory / _PROVIDES
    return Series(
        name=directory.name,
        directory=directory,
        patches=names,
        overrides={},
        provides=parse_provides(file.read_bytes(), names) if file.exists() else {},
    )


def series_for(source: KernelSource, patches: Path | None = None) -> Series:
    """Return the series for this source's line, with what is other on that line.

    Raises UserError if the series is not made for it.
    """
    patches = patches or asset("patches")
    known = lines(patches)
    line = _named(source.line, known)
    if not line.series:
        names = ", ".join(version for each in known if each.series for version in each.versions)
        raise UserError(
            f"the series is not made for Linux {source.release}, but for {names}; as it is this "
            'kernel runs with --upto 0, and in a plan as kernel = "unpatched"'
        )
    whole = series_in(patches / "series")
    place = patches / "lines" / source.line
    files = {f"{path.stem}.patch": path for path in place.glob("*.toml") if path.name != _LINE_FILE}
    if stray := sorted(files.keys() - set(whole.patches)):
        raise UserError(
            f"{place} has something for {', '.join(stray)}, which the series does not have; "
            "name it as the patch that it is for"
        )
    return replace(
        whole,
        name=_name_for(source),
        overrides={
            name: parse_overrides(path.name, path.read_bytes()) for name, path in files.items()
        },
        renames=line.renames,
    )


def no_series(source: KernelSource) -> Series:
    """Return the series without a patch, which every kernel takes."""
    return Series(
        name=_name_for(source), directory=asset("patches"), patches=(), overrides={}, provides={}
    )


def _name_for(source: KernelSource) -> str:
    return f"linux-{source.line}"


def lines(patches: Path | None = None) -> tuple[Line, ...]:
    """Return the kernel lines of which something is known, by name."""
    found = (patches or asset("patches")).glob(f"lines/*/{_LINE_FILE}")
    return tuple(parse_line(path.parent.name, path.read_bytes()) for path in sorted(found))


def line_for(version: str) -> Line:
    """Return the line of a kernel (6.1), known or not."""
    return line_of(version, lines()) or stock_line(version)


def line_named(name: str) -> Line:
    """Return a line by its name: of its folder, or of the version that no line covers."""
    return _named(name, lines())


def _named(name: str, known: Iterable[Line]) -> Line:
    return next((line for line in known if line.name == name), None) or stock_line(name)


def design(name: str) -> Edit:
    """Return a change to the series that was tried and discarded; UserError if there is none."""
    place = asset("patches") / "designs"
    path = place / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in place.glob("*.toml"))) or "none"
        raise UserError(f"{place} has no design {name}; there are: {known}")
    return parse_edit(path.name, path.read_bytes())
