"""What ELF files say of themselves: a module's .modinfo, a program's libraries."""

from pathlib import Path

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile

from harness.errors import HarnessError


def module_info(module: Path) -> dict[str, str]:
    """Return .modinfo of a kernel module (vermagic, srcversion, ...)."""
    with module.open("rb") as file:
        section = ELFFile(file).get_section_by_name(".modinfo")
        if section is None:
            raise HarnessError(f"{module} has no .modinfo; it is no kernel module")
        pairs = (item.decode().partition("=") for item in section.data().split(b"\0") if item)
        return {key: value for key, _, value in pairs}


def needed(program: Path) -> tuple[str, ...]:
    """Return the shared libraries (DT_NEEDED) and the interpreter a program asks for."""
    with program.open("rb") as file:
        if file.read(4) != b"\x7fELF":
            return ()
        file.seek(0)
        elf = ELFFile(file)
        dynamic = elf.get_section_by_name(".dynamic")
        if not isinstance(dynamic, DynamicSection):
            return ()
        names = [tag.needed for tag in dynamic.iter_tags() if tag.entry.d_tag == "DT_NEEDED"]
        loader = elf.get_section_by_name(".interp")
        if loader is not None:
            names.append(loader.data().rstrip(b"\0").decode())
        return tuple(names)
