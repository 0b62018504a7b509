# SPDX-License-Identifier: GPL-2.0-only
"""A source from kernel.org, or from a mirror of it: linux-X.Y.Z, as its signed sums have it."""

import logging
import os
import re

from harness.digest import sha256_text
from harness.errors import UserError
from harness.host.cache import Cache
from harness.host.deadline import Deadline
from harness.host.download import download, read_whole, require_address
from harness.host.signature import KEYRING, read_signed
from harness.stages.sources import archive
from harness.texts.build.sums import parse_sums, releases_in
from harness.texts.text import without_credentials
from harness.values import KernelSource

logger = logging.getLogger("fetch")

NAME = re.compile(r"[1-9][0-9]?\.[0-9]{1,3}(\.[0-9]{1,3})?")
# Known for good: nobody is asked for these.
ARCHIVE_SHA256 = {
    "5.15.180": "a4713a2bcb229722756ea54a80866b98bf4416bc3db6b72a5afb15a0c1105f0c",
}
MIRROR = "BUDDYLAB_KERNEL_MIRROR"
KERNEL_ORG = "https://cdn.kernel.org/pub/linux/kernel"
# Kernel.org checksum autosigner <autosigner@kernel.org>, see https://kernel.org/signature.html.
AUTOSIGNER = "B8868C80BA62A1FFFAF5FDA9632D3A06589DA6B1"
DOWNLOAD_LIMIT_S = 3600.0
SUMS = "sha256sums.asc"
_SUMS_BYTES_MAX = 16 << 20
_SUMS_LIMIT_S = 300.0
_NAMED_MAX = 5


def bring(release: str, cache: Cache) -> KernelSource:
    """Bring a release (5.15.180, 6.12), whose digest is pinned or signed.

    Raises UserError for one that is not listed, HostError where it cannot be had or is not what
    was signed.
    """
    pinned = ARCHIVE_SHA256.get(release)
    # One mirror, however its address ends: a "//" in a path is another file to many a server.
    base = (os.environ.get(MIRROR) or KERNEL_ORG).rstrip("/")
    # What one mirror said is not what another says.
    fingerprint = sha256_text("release", base, release)
    digest = pinned or cache.recall(fingerprint)
    if digest and (known := archive.cached(digest, cache, origin=release)):
        return known
    require_address(base, f"${MIRROR}")
    folder = f"{base}/v{release.partition('.')[0]}.x"
    name = f"linux-{release}.tar.{'gz' if pinned else 'xz'}"
    with cache.locked(f"download-{release}"):
        digest = pinned or _listed(release, name, folder)
        file = download(
            f"{folder}/{name}",
            cache.root / "downloads" / name,
            sha256=digest,
            deadline=Deadline.after(DOWNLOAD_LIMIT_S, f"downloading {name}"),
        )
    source = archive.bring(file, cache, origin=release, digest=digest)
    cache.remember(fingerprint, digest)
    return source


def _listed(release: str, name: str, folder: str) -> str:
    """Return the sha256 that a directory's signed sums have of a file."""
    url, told = f"{folder}/{SUMS}", without_credentials(folder)
    deadline = Deadline.after(_SUMS_LIMIT_S, f"downloading {SUMS}")
    message = read_whole(url, bytes_max=_SUMS_BYTES_MAX, deadline=deadline)
    if message is None:
        raise UserError(
            f"{told} has no {SUMS}: no release {release} can be had there; check its number, or "
            f"${MIRROR}"
        )
    signed = read_signed(message, f"{told}/{SUMS}", key=AUTOSIGNER)
    if signed.doubt:
        logger.warning(
            "THE SIGNATURE OF %s/%s WAS NOT VERIFIED: %s; `gpg --locate-keys autosigner@kernel.org`"
            " gets the key, or $%s names a file with it",
            *(told, SUMS, signed.doubt, KEYRING),
        )
    sums = parse_sums(signed.text)
    if name not in sums:
        raise UserError(f"{told} lists no {name}; {_instead(release, list(sums))}")
    return sums[name]


def _instead(release: str, names: list[str]) -> str:
    """Say which releases there are: of the same line the newest ones, else the newest of all."""
    line = ".".join(release.split(".")[:2])
    there = releases_in(names)
    same = [each for each in there if each == line or each.startswith(f"{line}.")]
    if newest := (same or there)[-_NAMED_MAX:]:
        return f"its newest{f' of {line}' if same else ''} are {', '.join(newest)}"
    return "it lists no release at all"
