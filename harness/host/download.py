# SPDX-License-Identifier: GPL-2.0-only
"""Downloads that resume, are checked before they are used, and appear whole or not at all."""

import contextlib
import errno
import http.client
import logging
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from harness.errors import HostError, UserError
from harness.host.cache import CACHE_ELSEWHERE
from harness.host.deadline import Deadline
from harness.host.disk import disk_full, written
from harness.host.files import sha256_file
from harness.host.progress import progress
from harness.texts.text import shown, without_credentials

logger = logging.getLogger("fetch")

CONNECT_TIMEOUT_S = 15.0
CHUNK_BYTES = 1 << 18
# The sources of a kernel release are 150 MB, packed; its whole history is 5 GB.
FILE_BYTES_MAX = 1 << 30
ATTEMPTS_MAX = 5
_AGENT = {"User-Agent": "buddylab"}
_ABSENT = frozenset({http.HTTPStatus.NOT_FOUND, http.HTTPStatus.GONE})
_SCHEMES = frozenset({"http", "https", "ftp"})
_ADDRESS = re.compile(r"[!-~]+")  # visible ASCII, as requests are made of
_LENGTH = re.compile(r"[0-9]{1,18}")


class UnreachableError(HostError):
    """The server cannot be reached from here; the file was not touched."""


class DigestError(HostError):
    """What came is not what was promised."""


class _EndlessError(Exception):
    """More comes than any file that is asked for has."""


def require_address(address: str, what: str) -> None:
    """Refuse what is no address of a server before it is asked; `what` told us it."""
    try:
        parts = urllib.parse.urlsplit(address)
        # Asking for the port checks it.
        is_served = bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_served = False
    else:
        is_served = is_served and parts.scheme in _SCHEMES
    if not is_served or not _ADDRESS.fullmatch(address):
        raise UserError(
            f"{what} is {shown(without_credentials(address))}, which is no address of a server; "
            "give one that begins with http:// or https://"
        )


def download(url: str, target: Path, *, sha256: str, deadline: Deadline) -> Path:
    """Bring `url` to `target`; continue an earlier part; rename only after the digest agrees.

    Raises UnreachableError when no byte can be had, DigestError when the content is wrong.
    """
    if target.exists():
        if sha256_file(target) == sha256:
            return target
        logger.warning("%s was altered since it was downloaded; downloading it again", target)
        target.unlink()
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    told = without_credentials(url)
    for attempt in range(1, ATTEMPTS_MAX + 1):
        before = _size(part)
        try:
            _continue(url, part, deadline)
            break
        except _EndlessError:
            part.unlink()
            raise DigestError(
                f"{told} goes on beyond {FILE_BYTES_MAX >> 20} MiB, and no kernel archive is so "
                "large; what came was removed: name another mirror, or use --kernel PATH"
            ) from None
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise disk_full(error, part.parent, CACHE_ELSEWHERE) from error
            progressed = _size(part) > before
            if not progressed or attempt == ATTEMPTS_MAX or deadline.expired:
                raise UnreachableError(
                    f"{told} cannot be downloaded ({_reason(error)}); {_size(part)} bytes are kept "
                    "and the next attempt resumes there; check the network, or name a local source "
                    "with --kernel PATH"
                ) from error
            logger.info("connection lost at %d bytes (%s); resuming", _size(part), _reason(error))
    return _accept(told, part, target, sha256)


def read_whole(url: str, *, bytes_max: int, deadline: Deadline) -> bytes | None:
    """Return what is at `url`, at most `bytes_max`; None if the server says that nothing is.

    Raises UnreachableError when it cannot be had.
    """
    request = urllib.request.Request(url, headers=_AGENT)  # noqa: S310 - our own URLs
    told = without_credentials(url)
    content = b""
    try:
        with _opened(request) as response:
            while chunk := response.read1(CHUNK_BYTES):
                content += chunk
                if deadline.expired or len(content) > bytes_max:
                    raise ConnectionError(
                        f"not done with {len(content)} bytes in {deadline.limit_s:.0f} s"
                    )
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError) and error.code in _ABSENT:
            error.close()
            return None
        raise UnreachableError(
            f"{told} cannot be read ({_reason(error)}); check the network, or name a local source "
            "with --kernel PATH"
        ) from error
    return content


def require_answer(url: str, *, deadline: Deadline) -> None:
    """Ask whether `url` could be brought; UnreachableError says in short why not."""
    request = urllib.request.Request(url, headers=_AGENT, method="HEAD")  # noqa: S310 - our own
    try:
        with _opened(request):
            pass
    except (OSError, http.client.HTTPException) as error:
        late = " too late" if deadline.expired else ""
        raise UnreachableError(f"{_reason(error)}{late}") from error


def _accept(told: str, part: Path, target: Path, sha256: str) -> Path:
    actual = sha256_file(part)
    if actual != sha256:
        part.unlink()
        raise DigestError(
            f"{told} has sha256 {actual}, expected {sha256}; the file was removed; "
            "a proxy or a mirror may have altered it: try again, or use --kernel PATH"
        )
    part.replace(target)
    return target


def _continue(url: str, part: Path, deadline: Deadline) -> None:
    have = _size(part)
    headers = {**_AGENT, **({"Range": f"bytes={have}-"} if have else {})}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - our own URLs
    with _opened(request) as response:
        resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT
        start = have if resumed else 0
        length = _announced(response.headers.get("Content-Length"))
        total = None if length is None else start + length
        with (
            part.open("ab" if resumed else "wb") as file,
            progress("fetch", total=total, unit="bytes", already=start) as advance,
        ):
            # What has come, and not all that was asked for: a byte a second is a deadline passed.
            while chunk := response.read1(CHUNK_BYTES):
                with written(part):
                    file.write(chunk)
                advance(file.tell(), url.rpartition("/")[2])
                if deadline.expired:
                    raise TimeoutError(f"not done within {deadline.limit_s:.0f} s")
                if file.tell() > FILE_BYTES_MAX:
                    raise _EndlessError
            if total is not None and file.tell() < total:
                raise ConnectionError(f"{file.tell()} of {total} bytes came")


def _announced(length: str | None) -> int | None:
    if not length:
        return None
    if not _LENGTH.fullmatch(length.strip()):
        raise ConnectionError(f"the server announces a Content-Length of {shown(length)}")
    return int(length)


@contextlib.contextmanager
def _opened(request: urllib.request.Request) -> Iterator[http.client.HTTPResponse]:
    try:
        response = urllib.request.urlopen(request, timeout=CONNECT_TIMEOUT_S)  # noqa: S310
    except ValueError as error:  # the address was checked: it is one that the server leads to
        raise ConnectionError(f"the server leads to no address: {error}") from error
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

    def read1(self, _size: int) -> bytes:
        return b""


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _reason(error: BaseException) -> str:
    return str(getattr(error, "reason", error)) or type(error).__name__
