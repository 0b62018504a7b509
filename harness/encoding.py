# SPDX-License-Identifier: GPL-2.0-only
"""How frozen values are written as JSON: indented, in one order, the same bytes each time."""

import msgspec


def encode(value: object) -> bytes:
    """Encode a frozen value as indented JSON in a fixed order."""
    raw = msgspec.json.encode(value, order="deterministic", enc_hook=str)
    return msgspec.json.format(raw, indent=2) + b"\n"
