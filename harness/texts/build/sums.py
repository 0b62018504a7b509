# SPDX-License-Identifier: GPL-2.0-only
"""sha256sums.asc of a directory of kernel.org, a clear-signed text (RFC 9580, section 7). Pure."""

import re

_BEGIN = "-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE = "-----BEGIN PGP SIGNATURE-----"
_END = "-----END PGP SIGNATURE-----"
_DASH = "- "
_SUM = re.compile(r"^([0-9a-f]{64}) [ *]([^/\s]+)$", re.MULTILINE)
_RELEASE = re.compile(r"linux-([0-9]{1,9}(?:\.[0-9]{1,9}){1,2})\.tar\.xz")


def signed_text(message: str) -> str | None:
    """Return what is signed; None unless the message is one signed text and nothing else."""
    lines = [line.rstrip() for line in message.strip().splitlines()]
    marks = [line for line in lines if line in {_BEGIN, _SIGNATURE, _END}]
    if marks != [_BEGIN, _SIGNATURE, _END] or lines[0] != _BEGIN or lines[-1] != _END:
        return None
    body = lines[1 : lines.index(_SIGNATURE)]
    if "" not in body:  # what ends the headers
        return None
    return "".join(f"{line.removeprefix(_DASH)}\n" for line in body[body.index("") + 1 :])


def parse_sums(text: str) -> dict[str, str]:
    """Return the sha256 of each file, by name."""
    return {name: digest for digest, name in _SUM.findall(text)}


def releases_in(names: list[str]) -> list[str]:
    """Return the releases whose archives these are, oldest first."""
    found = (match[1] for name in names if (match := _RELEASE.fullmatch(name)))
    return sorted(found, key=lambda release: [int(part) for part in release.split(".")])
