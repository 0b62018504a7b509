# SPDX-License-Identifier: GPL-2.0-only
"""Artefacts in a directory that all hosts see, or an object store: by their digests.

fsspec comes with dask; what it needs for one protocol (s3fs for s3://) is the user's to install,
with the credentials that the protocol's own library finds.
"""

import logging
import shutil
from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from harness.engines.store import Artefact, Store
from harness.errors import HarnessError, UserError

logger = logging.getLogger("cluster")


def require_writable(url: str) -> None:
    """Write something below `url` and remove it; UserError if it cannot be written."""
    from fsspec.core import url_to_fs  # noqa: PLC0415 - of the extra

    try:
        files, root = url_to_fs(url)
        _require_place(files, root)
        trial = f"{root}/{uuid4().hex}.trial"
        files.pipe_file(trial, b"buddylab")
        files.rm_file(trial)
    except (OSError, ImportError, ValueError) as error:
        raise _unwritable(url, error) from error


def put(url: str, artefacts: Iterable[Artefact]) -> None:
    """Store what is not there yet below `url`; UserError if it cannot be written."""
    from fsspec.core import url_to_fs  # noqa: PLC0415 - of the extra

    try:
        files, root = url_to_fs(url)
        _require_place(files, root)
        for each in artefacts:
            place = f"{root}/{each.digest}"
            if files.exists(place) and files.size(place) == each.size_bytes:
                continue
            # Whole or absent, where a file can be renamed; an object is whole when it is there.
            part = f"{place}.{uuid4().hex}"
            files.put_file(str(each.path), part)
            files.mv(part, place)
    except (OSError, ImportError, ValueError) as error:
        raise _unwritable(url, error) from error


def _unwritable(url: str, error: Exception) -> UserError:
    return UserError(
        f"artefacts cannot be stored below {url} ({error}); check it, or leave --artefacts out "
        "and this host sends them"
    )


def _require_place(files: Any, root: str) -> None:
    """Make the last part of a place, in what is there: s3fs would make a bucket of a slip."""
    if files.exists(root):
        return
    if "/" not in root.strip("/"):
        raise FileNotFoundError(f"there is no {root}")
    files.mkdir(root, create_parents=False)


def fetch(url: str, wanted: Artefact, store: Store) -> bool:
    """Bring a file into a host's store; return whether it is there now."""
    from fsspec.core import url_to_fs  # noqa: PLC0415 - of the extra

    store.root.mkdir(parents=True, exist_ok=True)
    part = store.root / f".{wanted.digest[:16]}-{uuid4().hex}.part"
    try:
        files, root = url_to_fs(url)
        with files.open(f"{root}/{wanted.digest}", "rb") as source, part.open("wb") as target:
            shutil.copyfileobj(source, target)
        store.adopt(wanted, part)
    except (OSError, ImportError, ValueError, HarnessError) as error:
        part.unlink(missing_ok=True)
        logger.warning("%s of %s: %s; the submitter sends it", wanted.digest[:16], url, error)
        return False
    return True
