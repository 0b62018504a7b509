# SPDX-License-Identifier: GPL-2.0-only
"""Downloads that resume, are checked before they are used, and appear whole or not at all."""

import contextlib
import errno
import http.client
import logging
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from harness.errors import HostError
from harness.host.deadline import Deadline
from harness.host.files import sha256_file
from harness.host.progress import progress

logger = logging.getLogger("fetch")

CONNECT_TIMEOUT_S = 15.0
CHUNK_BYTES = 1 << 18
ATTEMPTS_MAX = 5


class UnreachableError(HostError):
    """The server cannot be reached from here; the file was not touched."""


class DigestError(HostError):
    """What came is not what was promised."""


def download(url: str, target: Path, *, sha256: str, deadline: Deadline) -> Path:
    """Bring `url` to `target`; continue an earlier part; rename only after the digest agrees.

    Raises UnreachableError when no byte can be had, DigestError when the content is wrong.
    """
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    for attempt in range(1, ATTEMPTS_MAX + 1):
        before = _size(part)
        try:
            _continue(url, part, deadline)
            break
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise _no_space(part) from error
            progressed = _size(part) > before
            if not progressed or attempt == ATTEMPTS_MAX or deadline.expired:
                raise UnreachableError(
                    f"{url} cannot be had ({_reason(error)}); {_size(part)} bytes are kept and "
                    "the next try continues there; check the network, or name a local source "
                    "with --kernel PATH"
                ) from error
            logger.info("torn off at %d bytes (%s); continuing", _size(part), _reason(error))
    return _accept(url, part, target, sha256)


def _accept(url: str, part: Path, target: Path, sha256: str) -> Path:
    actual = sha256_file(part)
    if actual != sha256:
        part.unlink()
        raise DigestError(
            f"{url} has sha256 {actual}, expected {sha256}; the file was removed; "
            "a proxy or a mirror may have altered it: try again, or use --kernel PATH"
        )
    part.replace(target)
    return target


def _continue(url: str, part: Path, deadline: Deadline) -> None:
    have = _size(part)
    headers = {"User-Agent": "buddylab", **({"Range": f"bytes={have}-"} if have else {})}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - our own URLs
    with _opened(request) as response:
        resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT
        start = have if resumed else 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        with (
            part.open("ab" if resumed else "wb") as file,
            progress("fetch", total=total, unit="bytes") as advance,
        ):
            while chunk := response.read(CHUNK_BYTES):
                file.write(chunk)
                advance(file.tell(), url.rpartition("/")[2])
                if deadline.expired:
                    raise TimeoutError(f"not done within {deadline.limit_s:.0f} s")
            if total is not None and file.tell() < total:
                raise ConnectionError(f"{file.tell()} of {total} bytes came")


@contextlib.contextmanager
def _opened(request: urllib.request.Request) -> Iterator[http.client.HTTPResponse]:
    try:
        response = urllib.request.urlopen(request, timeout=CONNECT_TIMEOUT_S)  # noqa: S310
    except urllib.error.HTTPError as error:
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        # The part is already as long as the file: let the digest decide.
        with contextlib.closing(error):
            yield _Complete()  # type: ignore[misc]
        return
    with response:
        yield response


class _Complete:
    """An empty continuation."""

    status = http.HTTPStatus.PARTIAL_CONTENT
    headers: dict[str, str] = {}  # noqa: RUF012 - never written

    def read(self, _size: int) -> bytes:
        return b""


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _reason(error: BaseException) -> str:
    return str(getattr(error, "reason", error)) or type(error).__name__


def _no_space(part: Path) -> HostError:
    free_mib = shutil.disk_usage(part.parent).free >> 20
    return HostError(
        f"no space left for {part.name} below {part.parent} ({free_mib} MiB free); "
        "free some, or move the cache with BUDDYLAB_CACHE"
    )
