# SPDX-License-Identifier: GPL-2.0-only
"""What a bundle says of itself: what executes, where that came from, what must come of it. Pure.

A bundle is one file (harness/host/bundle_file.py) with the two files that a guest is made of and
this description. QEMU is named, by version and digest, and not packed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

import msgspec

from harness.encoding import UNREADABLE
from harness.errors import RecordError
from harness.record import schema
from harness.record.key import RunIdentity, require_sound
from harness.values import RunMode


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a guest said, by digest."""

    digest: str  # of all of it
    files: dict[str, str]  # path -> sha256; empty: only the digest of all was kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """bundle.json."""

    schema: int
    title: str
    identity: RunIdentity
    expected: Expected


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dated:
    schema: int


def digests_of(texts: Mapping[str, bytes]) -> dict[str, str]:
    """Digest each text."""
    return {path: sha256(texts[path]).hexdigest() for path in sorted(texts)}


def run_expected(files: Mapping[str, str]) -> Expected:
    """Return what a run must give again, from the digests of what its guest said."""
    lines = "".join(f"{files[path]}  {path}\n" for path in sorted(files))
    return Expected(digest=sha256(lines.encode()).hexdigest(), files=dict(files))


def bundle_of(title: str, identity: RunIdentity, expected: Expected) -> Bundle:
    """Describe a bundle in the present schema."""
    return Bundle(schema=schema.BUNDLE.number, title=title, identity=identity, expected=expected)


def parse_bundle(content: bytes, what: str) -> Bundle:
    """Read bundle.json; RecordError if it is damaged, of another schema or altered."""
    try:
        schema.BUNDLE.require(msgspec.json.decode(content, type=_Dated).schema, what)
        bundle = msgspec.json.decode(content, type=Bundle)
    except UNREADABLE as error:
        raise RecordError(f"{what} is damaged ({error}); get the bundle again") from error
    require_consistent(bundle.identity, what)
    return bundle


def require_consistent(identity: RunIdentity, what: str) -> None:
    """Refuse a key that cannot be repeated to the byte, or was altered; RecordError."""
    mode = identity.key.mode
    if mode is not RunMode.REPEATABLE:
        raise RecordError(f"{what} is of a {mode} run, which cannot be repeated to the byte")
    require_sound(identity, what)
