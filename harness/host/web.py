# SPDX-License-Identifier: GPL-2.0-only
"""Serve pages to this machine's own browser: loopback alone, GET and HEAD alone.

The standard library's server: it is one thread for each request of one person, and what must be
strict (names, files, policies) no library would decide for us.
"""

import contextlib
import logging
import re
import socket  # noqa: TID251 - this is harness/host
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from harness.errors import HostError, UserError

logger = logging.getLogger("serve")

LOOPBACK = "127.0.0.1"
LOOPBACK_6 = "::1"
_OURS = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(?::(\d{1,5}))?", re.IGNORECASE)
_HTTP_PORT = 80
_PATIENCE_S = 10.0  # for a client that says nothing
NOTHING_LOADED = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What is sent for a path; `policy` is its Content-Security-Policy."""

    body: bytes
    kind: str = "text/html; charset=utf-8"
    status: int = HTTPStatus.OK
    policy: str = NOTHING_LOADED


Answer = Callable[[str, str], Response]  # of a path as it was asked for, and a query


class _Server(ThreadingHTTPServer):
    daemon_threads = True  # an end waits for no client
    answer: Answer

    def handle_error(self, request: object, client_address: object) -> None:
        del request
        # A client that went away is no fault of ours.
        logger.debug("request of %s failed", client_address)


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version = "buddylab"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = _PATIENCE_S

    def do_GET(self) -> None:
        """Answer."""
        self._send(self._answer())

    def do_HEAD(self) -> None:
        """Answer without the body."""
        self._send(self._answer())

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse in one line of text."""
        del explain
        if code == HTTPStatus.NOT_IMPLEMENTED:
            code, message = HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD are answered"
        self.close_connection = True
        self._send(_told(code, message or HTTPStatus(code).phrase))

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its name
        """Tell requests with --verbose; they may hold anything."""
        logger.debug("%r", format % arguments)

    def _answer(self) -> Response:
        if not self._is_for_us():
            return _told(
                HTTPStatus.MISDIRECTED_REQUEST,
                "the Host header names another place; use the address that buddylab printed",
            )
        path, _, query = self.path.partition("?")
        try:
            return self.server.answer(path, query)
        except Exception:
            logger.exception("a bug in buddylab: %r cannot be shown", path)
            return _told(HTTPStatus.INTERNAL_SERVER_ERROR, "a bug in buddylab; its log tells more")

    def _is_for_us(self) -> bool:
        """Whether a page of elsewhere, whose name was made to lead here, is not who asks."""
        hosts = self.headers.get_all("Host") or []
        found = _OURS.fullmatch(hosts[0]) if len(hosts) == 1 else None
        return found is not None and int(found[2] or _HTTP_PORT) == self.server.server_port

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        if response.status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self.send_header("Content-Type", response.kind)
        self.send_header("Content-Length", str(len(response.body)))
        self.send_header("Content-Security-Policy", response.policy)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)


def _told(status: int, text: str) -> Response:
    return Response(body=f"{text}\n".encode(), kind="text/plain; charset=utf-8", status=status)


@dataclass(frozen=True, slots=True)
class Site:
    """Servers that listen already, on one port."""

    servers: tuple[_Server, ...]

    @property
    def addresses(self) -> tuple[str, ...]:
        """What a browser is given."""
        port = self.servers[0].server_port
        hosts = (f"[{LOOPBACK_6}]" if isinstance(one, _Server6) else LOOPBACK
                 for one in self.servers)  # fmt: skip
        return tuple(f"http://{host}:{port}/" for host in hosts)

    def serve(self) -> None:
        """Answer until a KeyboardInterrupt."""
        for each in self.servers[1:]:
            threading.Thread(target=each.serve_forever, daemon=True).start()
        self.servers[0].serve_forever()


@contextlib.contextmanager
def listening(answer: Answer, port: int, *, ipv6: bool) -> Iterator[Site]:
    """Listen on loopback; `port` 0 is any free one.

    Raises UserError for a port that is taken or not ours, HostError for a host without it.
    """
    servers: list[_Server] = []
    try:
        for kind, host in _kinds(ipv6=ipv6):
            wanted = servers[0].server_port if servers else port
            try:
                server = kind((host, wanted), _Handler)
            except OSError as error:
                raise _refused(host, wanted, error) from error
            server.answer = answer
            servers.append(server)
        yield Site(tuple(servers))
    finally:
        for each in servers:
            each.socket.close()


def _kinds(*, ipv6: bool) -> Sequence[tuple[type[_Server], str]]:
    return ((_Server, LOOPBACK), *(((_Server6, LOOPBACK_6),) if ipv6 else ()))


def _refused(host: str, port: int, error: OSError) -> Exception:
    if isinstance(error, PermissionError) or "in use" in str(error):
        return UserError(
            f"port {port} of {host} is not to be had ({error.strerror}); give another with "
            "--port N, or --port 0 for any free one"
        )
    return HostError(
        f"this host has no {host} ({error.strerror}); leave --ipv6 out, or set up loopback"
    )
