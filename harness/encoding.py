# SPDX-License-Identifier: GPL-2.0-only
"""How frozen values are written as JSON, and what was packed is unpacked: within a limit."""

import zlib

import msgspec

# What decoders of JSON and TOML raise for what is not of the form that is asked for: msgspec's
# errors and UnicodeDecodeError are ValueErrors, and so is that of a number with 5,000 digits.
UNREADABLE = (ValueError, RecursionError)


def encode(value: object) -> bytes:
    """Encode a frozen value as indented JSON in a fixed order."""
    raw = msgspec.json.encode(value, order="deterministic", enc_hook=str)
    return msgspec.json.format(raw, indent=2) + b"\n"


def gunzipped(packed: bytes, *, bytes_max: int) -> bytes:
    """Unpack gzip's format (RFC 1952); no more than `bytes_max` are ever held.

    Raises ValueError for more, EOFError where it is cut short, zlib.error where it is damaged.
    """
    content = bytearray()
    while packed:
        member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        content += member.decompress(packed, bytes_max + 1 - len(content))
        if len(content) > bytes_max:
            raise ValueError(f"more than {bytes_max >> 20} MiB when unpacked")
        if not member.eof:
            raise EOFError("it ends before its end-of-stream marker")
        packed = member.unused_data.lstrip(b"\0")  # as gzip(1) pads
    return bytes(content)
