# SPDX-License-Identifier: GPL-2.0-only
"""What ELF files say of themselves: a module's .modinfo, a program's libraries."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile

from harness.errors import HarnessError
from harness.texts.build.objects import DAMAGED


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[ELFFile]:
    """Open an ELF file; what is cut or altered in it is a HarnessError whenever it is met."""
    try:
        with path.open("rb") as file:
            yield ELFFile(file)
    except DAMAGED as error:
        raise HarnessError(
            f"{path} is no whole ELF file ({error or type(error).__name__}); make or bring it anew"
        ) from error


def module_info(module: Path) -> dict[str, str]:
    """Return .modinfo of a kernel module (vermagic, srcversion, ...)."""
    with _opened(module) as elf:
        section = elf.get_section_by_name(".modinfo")
        if section is None:
            raise HarnessError(f"{module} has no .modinfo; it is no kernel module")
        pairs = (item.decode().partition("=") for item in section.data().split(b"\0") if item)
        return {key: value for key, _, value in pairs}


def functions(image: Path) -> tuple[tuple[int, int, str], ...]:
    """Return address, size and name of a kernel image's functions; none if it has no symbols."""
    try:
        with image.open("rb") as file:
            table = ELFFile(file).get_section_by_name(".symtab")
            symbols = table.iter_symbols() if table else ()
            found = [
                (one.entry.st_value, one.entry.st_size, one.name)
                for one in symbols
                # Entry points written in assembly often have no type.
                if one.entry.st_info["type"] in {"STT_FUNC", "STT_NOTYPE"} and one.name
            ]
            return tuple(sorted(found))
    except (*DAMAGED, OSError):
        return ()


def asked_of(program: Path, library: Path) -> dict[str, str]:
    """Return the symbols that `program` takes from `library`, each with its version or ""."""
    with _opened(library) as provider:
        offered = {symbol.name for symbol in _dynamic_symbols(provider, defined=True)}
    with _opened(program) as elf:
        versions = _versions_needed(elf)
        marks = elf.get_section_by_name(".gnu.version")
        wanted = {}
        for number, symbol in enumerate(elf.get_section_by_name(".dynsym").iter_symbols()):
            if symbol.entry.st_shndx == "SHN_UNDEF" and symbol.name in offered:
                index = marks.get_symbol(number).entry["ndx"] if marks else 0
                wanted[symbol.name] = versions.get(index, "")
        return wanted


def _dynamic_symbols(elf: ELFFile, *, defined: bool) -> list[Any]:
    section = elf.get_section_by_name(".dynsym")
    symbols = section.iter_symbols() if section else ()
    return [one for one in symbols if (one.entry.st_shndx != "SHN_UNDEF") == defined]


def _versions_needed(elf: ELFFile) -> dict[int, str]:
    section = elf.get_section_by_name(".gnu.version_r")
    pairs = (aux for _, entries in section.iter_versions() for aux in entries) if section else ()
    return {aux.entry.vna_other: aux.name for aux in pairs}


def needed(program: Path) -> tuple[str, ...]:
    """Return the shared libraries (DT_NEEDED) and the interpreter a program asks for."""
    with program.open("rb") as file:
        if file.read(4) != b"\x7fELF":
            return ()
    with _opened(program) as elf:
        dynamic = elf.get_section_by_name(".dynamic")
        if not isinstance(dynamic, DynamicSection):
            return ()
        names = [tag.needed for tag in dynamic.iter_tags() if tag.entry.d_tag == "DT_NEEDED"]
        loader = elf.get_section_by_name(".interp")
        if loader is not None:
            names.append(loader.data().rstrip(b"\0").decode())
        return tuple(names)
