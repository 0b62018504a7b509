# SPDX-License-Identifier: GPL-2.0-only
"""Digests of texts and bytes: what keys are made of. Pure."""

import hashlib


def sha256_text(*parts: str) -> str:
    """Digest a sequence of strings; the split between them counts."""
    # A path of this host may be no UTF-8; Python has such bytes as surrogates.
    return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()


def sha256_bytes(content: bytes) -> str:
    """Digest `content`."""
    return hashlib.sha256(content).hexdigest()


def git_blob_id(content: bytes) -> str:
    """Name `content` as git does."""
    header = b"blob %d\0" % len(content)
    return hashlib.sha1(header + content).hexdigest()  # noqa: S324 - git's naming
