# SPDX-License-Identifier: GPL-2.0-only
"""A source from kernel.org, or from a mirror of it."""

import os

from harness.host.cache import Cache
from harness.host.deadline import Deadline
from harness.host.download import download, require_address
from harness.stages.sources import archive
from harness.values import KernelSource

ARCHIVE_SHA256 = {
    "5.15.180": "a4713a2bcb229722756ea54a80866b98bf4416bc3db6b72a5afb15a0c1105f0c",
}
MIRROR = "BUDDYLAB_KERNEL_MIRROR"
KERNEL_ORG = "https://cdn.kernel.org/pub/linux/kernel"
DOWNLOAD_LIMIT_S = 3600.0


def bring(release: str, cache: Cache) -> KernelSource:
    """Bring a release whose digest is pinned."""
    if known := archive.cached(ARCHIVE_SHA256[release], cache, origin=release):
        return known
    base = os.environ.get(MIRROR) or KERNEL_ORG
    require_address(base, f"${MIRROR}")
    name = f"linux-{release}.tar.gz"
    url = f"{base}/v{release.partition('.')[0]}.x/{name}"
    with cache.locked(f"download-{release}"):
        file = download(
            url,
            cache.root / "downloads" / name,
            sha256=ARCHIVE_SHA256[release],
            deadline=Deadline.after(DOWNLOAD_LIMIT_S, f"downloading {name}"),
        )
    return archive.bring(file, cache, origin=release, digest=ARCHIVE_SHA256[release])
