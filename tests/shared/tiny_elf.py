# SPDX-License-Identifier: GPL-2.0-only
"""The least that is an object file of x86-64: a function, a relocation in it, and symbols."""

import struct

_SECTION = "<IIQQQQIIQQ"  # elf(5), Elf64_Shdr
_SYMBOL = "<IBBHQQ"
_NAMES = b"\0.text\0.rela.text\0.symtab\0.strtab\0.shstrtab\0.modinfo\0"
_TEXT = b"\xe8\0\0\0\0\xc3\0\0"
_STRINGS = b"\0first\0other\0"


def tiny_elf(modinfo: bytes = b"") -> bytes:
    """Return its bytes, with what a kernel module says of itself."""
    symbols = b"".join(
        (
            bytes(24),
            struct.pack(_SYMBOL, 1, 0x12, 0, 1, 0, 6),  # global, a function, of .text
            struct.pack(_SYMBOL, 7, 0x10, 0, 0, 0, 0),  # global, undefined
        )
    )
    relocation = struct.pack("<QQq", 1, (2 << 32) | 2, -4)  # R_X86_64_PC32 other-4
    contents = (_TEXT, relocation, symbols, _STRINGS, _NAMES, modinfo)
    starts = [64]
    for content in contents:
        starts.append(starts[-1] + len(content))
    rows = (
        (b".text", 1, 6, 0, 0, 16, 0),
        (b".rela.text", 4, 0x40, 3, 1, 8, 24),
        (b".symtab", 2, 0, 4, 1, 8, 24),
        (b".strtab", 3, 0, 0, 0, 1, 0),
        (b".shstrtab", 3, 0, 0, 0, 1, 0),
        (b".modinfo", 1, 2, 0, 0, 1, 0),
    )
    headers = [bytes(64)]
    for at, (name, kind, flags, link, info, alignment, entry) in enumerate(rows):
        place = _NAMES.index(b"\0" + name + b"\0") + 1
        size = len(contents[at])
        headers.append(
            struct.pack(
                _SECTION, place, kind, flags, 0, starts[at], size, link, info, alignment, entry
            )
        )
    head = struct.pack(
        "<16sHHIQQQIHHHHHH",
        *(b"\x7fELF\x02\x01\x01", 1, 62, 1, 0, 0, starts[-1], 0, 64, 0, 0, 64, len(headers), 5),
    )
    return b"".join((head, *contents, *headers))
