# SPDX-License-Identifier: GPL-2.0-only
"""Whether two object files are the same code, whatever lines it was written on. Pure.

What the kernel would load is compared: the allocated sections with their bytes, their
relocations and the symbols they define. A source that only grew by lines differs there
in numbers alone, and just these are masked: the line field of each entry of __bug_table,
and the digits that lines and counters give to the names of generated symbols.
"""

import io
import itertools
import re
import struct
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from elftools.common.exceptions import ELFError
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection

from harness.errors import HarnessError

# What pyelftools raises of a file that is cut or altered, beside an error of its own.
DAMAGED = (
    *(ELFError, ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError),
    *(RecursionError, TypeError, ValueError, struct.error, zlib.error),
)

BUG_TABLE = "__bug_table"
_LINE_BYTES = 2  # unsigned short, see struct bug_entry
_FLAGS_BYTES = 2
# Of an entry of __bug_table.
_RELOCATED_FIELDS = (2, 3)

# How many bytes a relocation of x86 fills in; others do not occur in __bug_table.
_WIDTHS = {
    ("EM_X86_64", 1): 8,  # R_X86_64_64
    ("EM_X86_64", 2): 4,  # R_X86_64_PC32
    ("EM_386", 1): 4,  # R_386_32
    ("EM_386", 2): 4,  # R_386_PC32
}

# Names the kernel's macros make of __LINE__ or __COUNTER__: initcalls, the addressable
# marks of exported symbols, and __UNIQUE_ID().
_GENERATED = (
    (re.compile(r"^(__(?:initcall|initstub)__kmod_\w+?)__\d+_\d+_"), r"\1__N_LINE_"),
    (re.compile(r"^(__UNIQUE_ID_\w*?)\d+$"), r"\1N"),
)


@dataclass(frozen=True, slots=True, order=True)
class _Relocation:
    offset: int
    kind: int
    target: str
    addend: int


@dataclass(frozen=True, slots=True)
class _Section:
    kind: str
    flags: int
    alignment: int
    size: int
    content: bytes  # empty where the file holds none (.bss)
    relocations: tuple[_Relocation, ...]


@dataclass(frozen=True, slots=True, order=True)
class _Symbol:
    name: str
    section: str
    offset: int
    size: int
    kind: str
    binding: str
    visibility: str

    @property
    def shape(self) -> tuple[str, str]:
        """Which symbol it is, wherever it lies."""
        return (self.name, self.section)


@dataclass(frozen=True, slots=True)
class _Object:
    sections: Mapping[str, _Section]
    symbols: tuple[_Symbol, ...]  # defined in the sections above, sorted


def differences(a: bytes, b: bytes) -> tuple[str, ...]:
    """Say how object `b` differs from `a` in what gets loaded; empty when it does not.

    Raises HarnessError when one of them is no relocatable object.
    """
    before, after = _read(a), _read(b)
    return (
        *_section_differences(before, after),
        *_relocation_differences(before, after),
        *_symbol_differences(before, after),
    )


def stable_name(name: str) -> str:
    """Replace the line and counter digits in the name of a generated symbol."""
    for pattern, replacement in _GENERATED:
        name = pattern.sub(replacement, name)
    return name


def _read(content: bytes) -> _Object:
    try:
        elf = ELFFile(io.BytesIO(content))
        if elf["e_type"] == "ET_REL":
            names = _section_names(elf)
            return _Object(
                sections={names[index]: _section(elf, index, names) for index in names},
                symbols=tuple(sorted(_symbols(elf, names))),
            )
    except DAMAGED as error:
        why = error or type(error).__name__
        raise HarnessError(
            f"{len(content)} bytes are no object file, or a damaged one ({why}); build it anew"
        ) from error
    raise HarnessError(f"a relocatable object is wanted, this is {elf['e_type']}; build one")


def _section_names(elf: Any) -> dict[int, str]:
    """Name the allocated sections by index; of those with one name, by their order too."""
    names: dict[int, str] = {}
    seen: Counter[str] = Counter()
    for index, section in enumerate(elf.iter_sections()):
        if section["sh_flags"] & SH_FLAGS.SHF_ALLOC:
            seen[section.name] += 1
            number = seen[section.name]
            names[index] = section.name if number == 1 else f"{section.name} (no. {number})"
    return names


def _section(elf: Any, index: int, names: Mapping[int, str]) -> _Section:
    section = elf.get_section(index)
    relocations = tuple(sorted(_relocations(elf, index, names)))
    content = b"" if section["sh_type"] == "SHT_NOBITS" else section.data()
    if section["sh_type"] != "SHT_NOBITS" and len(content) != section["sh_size"]:
        raise ELFError(f"section {section.name} is cut")
    if section.name == BUG_TABLE:
        content = _without_lines(content, elf["e_machine"], relocations)
    return _Section(
        kind=section["sh_type"],
        flags=section["sh_flags"],
        alignment=section["sh_addralign"],
        size=section["sh_size"],
        content=content,
        relocations=relocations,
    )


def _relocations(elf: Any, index: int, names: Mapping[int, str]) -> Iterator[_Relocation]:
    for section in elf.iter_sections():
        if not isinstance(section, RelocationSection) or section["sh_info"] != index:
            continue
        symbols = elf.get_section(section["sh_link"])
        for entry in section.iter_relocations():
            symbol = symbols.get_symbol(entry["r_info_sym"])
            yield _Relocation(
                offset=entry["r_offset"],
                kind=entry["r_info_type"],
                target=_target(elf, symbol, names),
                addend=entry["r_addend"] if entry.is_RELA() else 0,
            )


def _target(elf: Any, symbol: Any, names: Mapping[int, str]) -> str:
    """Name what a relocation refers to: a symbol, or the section a local one lies in."""
    if symbol["st_info"]["type"] != "STT_SECTION":
        return stable_name(symbol.name)
    index = symbol["st_shndx"]
    return names.get(index, elf.get_section(index).name)


def _symbols(elf: Any, names: Mapping[int, str]) -> Iterator[_Symbol]:
    for table in elf.iter_sections():
        if table["sh_type"] != "SHT_SYMTAB":
            continue
        for symbol in table.iter_symbols():
            kind, place = symbol["st_info"]["type"], symbol["st_shndx"]
            section = place if place in ("SHN_ABS", "SHN_COMMON") else names.get(place, "")
            if section and kind not in ("STT_SECTION", "STT_FILE"):
                yield _Symbol(
                    name=stable_name(symbol.name),
                    section=section,
                    offset=symbol["st_value"],
                    size=symbol["st_size"],
                    kind=kind,
                    binding=symbol["st_info"]["bind"],
                    visibility=symbol["st_other"]["visibility"],
                )


def _without_lines(content: bytes, machine: str, relocations: Sequence[_Relocation]) -> bytes:
    """Zero the line field of every entry of a bug table; leave all else.

    An entry is the place of the bug, in later kernels a format, with DEBUG_BUGVERBOSE file and
    line, and flags. All but line and flags are relocated, so relocations that lie back to back,
    two by two or three by three, tell where the line is. A table of another form is returned as
    it is: then lines count.
    """
    widths = {_WIDTHS.get((machine, item.kind), 0) for item in relocations}
    if len(widths) != 1:
        return content
    (width,) = widths
    offsets = [item.offset for item in relocations]
    for fields in _RELOCATED_FIELDS:
        entries, odd = divmod(len(relocations), fields)
        if odd or not entries or len(content) % entries:
            continue
        entry_bytes, line = len(content) // entries, fields * width
        starts = range(0, len(content), entry_bytes)
        wanted = [start + field * width for start in starts for field in range(fields)]
        if width and line + _LINE_BYTES + _FLAGS_BYTES <= entry_bytes and offsets == wanted:
            masked = bytearray(content)
            for start in starts:
                masked[start + line : start + line + _LINE_BYTES] = bytes(_LINE_BYTES)
            return bytes(masked)
    return content


def _section_differences(before: _Object, after: _Object) -> Iterator[str]:
    for name in sorted({*before.sections, *after.sections}):
        old, new = before.sections.get(name), after.sections.get(name)
        if old is None or new is None:
            yield f"section {name} ({_there(is_new=old is None)})"
        elif old.size != new.size:
            yield f"section {name}: {old.size} bytes became {new.size}"
        elif old.kind != new.kind:  # one may have no content in the file
            yield f"section {name}: type {old.kind} became {new.kind}"
        elif old.content != new.content:
            places = [
                place
                for place, (x, y) in enumerate(zip(old.content, new.content, strict=True))
                if x != y
            ]
            where = _place(after, name, places[0])
            yield f"section {name}: {len(places)} bytes differ, the first at {where}"
        elif (old.kind, old.flags, old.alignment) != (new.kind, new.flags, new.alignment):
            yield f"section {name}: type, flags or alignment differ"


def _relocation_differences(before: _Object, after: _Object) -> Iterator[str]:
    for name in sorted({*before.sections} & {*after.sections}):
        old, new = before.sections[name].relocations, after.sections[name].relocations
        if old == new:
            continue
        pairs = [(x, y) for x, y in itertools.zip_longest(old, new) if x != y]
        first_old, first_new = pairs[0]
        yield (
            f"relocations of {name}: {len(pairs)} differ, the first: "
            f"{_relocation(before, name, first_old)} became {_relocation(after, name, first_new)}"
        )


def _symbol_differences(before: _Object, after: _Object) -> Iterator[str]:
    old, new = Counter(before.symbols), Counter(after.symbols)
    if old == new:
        return
    old_shapes = Counter(symbol.shape for symbol in before.symbols)
    new_shapes = Counter(symbol.shape for symbol in after.symbols)
    for name, section in sorted((old_shapes - new_shapes).elements()):
        yield f"symbol {name} in {section} ({_there(is_new=False)})"
    for name, section in sorted((new_shapes - old_shapes).elements()):
        yield f"symbol {name} in {section} ({_there(is_new=True)})"
    changed = sorted(symbol for symbol in old - new if new_shapes[symbol.shape])
    if changed:
        yield (
            f"symbols: {len(changed)} changed in place, size or kind, "
            f"the first: {changed[0].name} in {changed[0].section}"
        )


def _there(*, is_new: bool) -> str:
    return "only in the second object" if is_new else "only in the first object"


def _relocation(item: _Object, section: str, relocation: _Relocation | None) -> str:
    if relocation is None:
        return "none"
    target = f"{relocation.target}{relocation.addend:+#x}"
    return f"{target} (type {relocation.kind}) at {_place(item, section, relocation.offset)}"


def _place(item: _Object, section: str, offset: int) -> str:
    """Name a place in a section by the function or variable it is in, where there is one."""
    for symbol in item.symbols:
        if symbol.section == section and symbol.offset <= offset < symbol.offset + symbol.size:
            return f"{symbol.name}+{offset - symbol.offset:#x}"
    return f"{section}+{offset:#x}"
