"""The page's HTTP server: each connection has a thread until its request is read; what takes time is handed on."""

from __future__ import annotations

import asyncio
import errno
import io
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from time import monotonic
from typing import Any, NamedTuple

from smanager.access.certificates import names_in
from smanager.web import responses
from smanager.web.assets import Asset
from smanager.web.door import Door, Headers, RefusedError, body_length, require_json, require_own_page

HEAD_SECONDS = 10.0  # from a connection, or the last answer on it, until all of a request's head has come
BODY_SECONDS = 30.0  # for the body, which telephones on bad networks send as well
SEND_SECONDS = 30.0  # for a browser to take a file of the page
LINGER_SECONDS = 1.0  # for a browser to read why it is refused, while it may still be sending
HEAD_LIMIT = 32 * 1024  # bytes of a request's head: several times what browsers send
BODY_LIMIT = 1024 * 1024  # bytes of a request's body: far more than a line of commands may have
RETRY_SECONDS = 1.0  # after the system had no descriptor or no memory for a connection, which then goes on waiting
MOST_THREADS = 64  # connections whose requests are being read or answered with a file

PROBES = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
"""Seconds, seconds and probes after which a browser is gone whose network is, or its commands would go on."""

SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

METHODS = {"/session": "GET", "/live": "GET", "/login": "POST", "/logout": "POST", "/call": "POST"}
"""What is made anew for each request, and how it is asked for."""


class Asked(NamedTuple):
    """A request that has passed all checks that need no login."""

    path: str
    headers: Headers
    body: bytes
    client: str  # the browser's IP address
    origin: str  # the page's own address as the browser has it
    certificate: Sequence[str]  # the names in the browser's certificate, if it has shown one


class TimedReader(io.RawIOBase):
    """A connection's bytes, until a deadline, and only so many."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.allow(HEAD_SECONDS, HEAD_LIMIT)

    def allow(self, seconds: float, size: int) -> None:
        """Read for so long and so much from now on."""
        self._deadline, self._left = monotonic() + seconds, size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._left <= 0:
            raise RefusedError(431, f"the head of a request of more than {HEAD_LIMIT} bytes")
        if (seconds := self._deadline - monotonic()) <= 0:
            raise TimeoutError
        self._connection.settimeout(seconds)
        count = self._connection.recv_into(buffer)
        self._left -= count
        return count


class HeadReader(io.BufferedReader):
    """Reads lines that end where proxies see them end: `http.client` would take a lone CR for an end, too."""

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if b"\r" in line.removesuffix(b"\n").removesuffix(b"\r"):
            raise RefusedError(400, "a line of the head has a CR that does not end it")
        return line


class PageHandler(BaseHTTPRequestHandler):
    """Reads the requests of one connection, and answers those for files."""

    server: PageServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "SManager", ""
    error_message_format = ""

    def setup(self) -> None:
        super().setup()
        self._names: Sequence[str] = ()
        self._reader = TimedReader(self.connection)
        self.rfile = HeadReader(self._reader)

    def handle(self) -> None:
        try:
            if isinstance(self.connection, ssl.SSLSocket):
                self.connection.settimeout(HEAD_SECONDS)
                self.connection.do_handshake()
                with suppress(UnicodeDecodeError):  # a name that is not text is no user's
                    self._names = names_in(self.connection.getpeercert() or {})
            super().handle()
        except RefusedError as error:
            self._refuse(error)
        except OSError as error:  # the browser has gone, or speaks no TLS, or is too slow
            if isinstance(error, ssl.SSLError) and error.reason == "HTTP_REQUEST":
                self._say_https()

    def handle_one_request(self) -> None:
        self._reader.allow(HEAD_SECONDS, HEAD_LIMIT)
        self.server.begins_request(self.connection)
        super().handle_one_request()

    def do_GET(self) -> None:
        try:
            self._take()
        except RefusedError as error:
            self._refuse(error)

    do_HEAD = do_POST = do_GET  # noqa: N815 - likewise

    def _take(self) -> None:
        if self.headers.get_payload():  # the parser stops at a line that is not a header, and proxies may read on
            raise RefusedError(400, "a line of the head is not a header")
        path = self.path.partition("?")[0]
        asset = self.server.assets.get(path)
        method = "GET" if asset else METHODS.get(path)
        if method is None:
            raise RefusedError(404, f"there is nothing at {path[:200]!r}")
        if self.command != method and not (asset and self.command == "HEAD"):
            raise RefusedError(405, f"{path} is for {method}, and not for {self.command}")
        door = self.server.door
        origin = door.origin(self.headers, self.connection.getsockname()[0])
        client = door.client(self.headers, self.client_address[0])
        if asset:
            if self.headers.get_all("Content-Length") or self.headers.get_all("Transfer-Encoding"):
                self.close_connection = True  # or a body, which is not read, would be taken for the next request
            self._send(asset)
            return
        require_own_page(self.headers, origin, method == "POST")
        body = self._body() if method == "POST" else b""
        self.close_connection = True
        self.server.hand_on(Asked(path, self.headers, body, client, origin, self._names), self.connection)

    def _body(self) -> bytes:
        require_json(self.headers)
        length = body_length(self.headers, BODY_LIMIT)
        self._reader.allow(BODY_SECONDS, BODY_LIMIT)
        body = self.rfile.read(length)
        if len(body) < length:
            raise RefusedError(400, f"a body of {len(body)} bytes, and Content-Length is {length}")
        return body

    def _send(self, asset: Asset) -> None:
        is_known = self.headers.get("If-None-Match") == asset.tag
        length = {} if is_known else {"Content-Length": str(len(asset.body))}
        head = responses.head(304 if is_known else 200, {**asset.headers, **length})
        self._write(head if is_known or self.command == "HEAD" else head + asset.body)

    def _refuse(self, error: RefusedError) -> None:
        self.close_connection = True
        is_method = error.status == HTTPStatus.METHOD_NOT_ALLOWED
        allow = {"Allow": METHODS.get(self.path.partition("?")[0], "GET, HEAD")} if is_method else {}
        self._write(responses.error(error.status, str(error), allow))
        self._linger()

    def _say_https(self) -> None:
        """Answer a browser that speaks plain HTTP where TLS is, or it would only say that there was no answer."""
        with suppress(OSError):
            answer = responses.error(400, "the page is at https://…, with the same name and port")
            socket.socket.sendall(self.connection, answer)
        self._linger()

    def _linger(self) -> None:
        """Let the browser read the answer: a close with unread bytes would take it back (RFC 9112, 9.6)."""
        with suppress(OSError):
            socket.socket.shutdown(self.connection, socket.SHUT_WR)
            deadline = monotonic() + LINGER_SECONDS
            while (seconds := deadline - monotonic()) > 0:
                self.connection.settimeout(seconds)
                if not socket.socket.recv(self.connection, HEAD_LIMIT):
                    return

    def _write(self, data: bytes) -> None:
        try:
            self.connection.settimeout(SEND_SECONDS)  # for all of it
            self.connection.sendall(data)
        except OSError:
            self.close_connection = True

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer a request that `http.server` cannot read, or whose method it does not know."""
        status = HTTPStatus.METHOD_NOT_ALLOWED if code == HTTPStatus.NOT_IMPLEMENTED else HTTPStatus(code)
        self._refuse(RefusedError(status, (message or status.phrase).splitlines()[0]))

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its name there
        """Log nothing: what a browser does that matters is in the audit journal."""


class PageServer(ThreadingHTTPServer):
    """Accepts connections in the event loop, and reads their requests in threads."""

    request_queue_size = 1024  # as listeners have: clients beyond it would have to retry after a second
    allow_reuse_port = False  # or two pages could share a port
    timeout = 0  # `handle_request` is called when there is a connection

    def __init__(
        self,
        address: tuple[str, int],
        assets: Mapping[str, Asset],
        door: Door,
        context: Callable[[], ssl.SSLContext] | None,
        take: Callable[[Asked, socket.socket], object],
    ) -> None:
        """Bind the address; raises OSError. `context` returns that of TLS now, where there is any.

        `take` is given requests that take time, in the request's thread.
        """
        self.allow_reuse_address = address[1] != 0  # a picked port has to be unused
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.assets = assets
        self.door = door
        self._open: set[socket.socket] = set()  # connections that have a thread
        self._by_age: dict[socket.socket, None] = {}  # those of them that may be ended, by their last request's begin
        self._handed_on: set[socket.socket] = set()
        self._context = context
        self._hand_on = take
        self._is_short = False  # whether the last connection could not be accepted
        self._retry: asyncio.TimerHandle | None = None
        super().__init__(address, PageHandler)

    def server_bind(self) -> None:
        """Bind without asking a name server for the name of this machine, as `http.server` would."""
        if self.address_family == socket.AF_INET6:  # or IPv4 addresses would come as IPv6 ones
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # These options hold for each accepted connection as well (tcp(7)).
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or an event may wait for the one before it
        for name, value in PROBES.items():
            if hasattr(socket, name):  # macOS lacks one of them
                self.socket.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        TCPServer.server_bind(self)

    def begin(self) -> None:
        """Accept connections in the running event loop."""
        asyncio.get_running_loop().add_reader(self, self._accept)

    def _accept(self) -> None:
        self._is_short = False
        self.handle_request()
        if self._is_short:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self)
            self._retry = loop.call_later(RETRY_SECONDS, self.begin)

    def get_request(self) -> tuple[socket.socket, Any]:
        try:
            connection, address = super().get_request()
        except OSError as error:
            self._is_short = error.errno in SHORTAGES
            raise
        if self._context:  # the handshake is for the connection's own thread
            connection = self._context().wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give a connection a thread; where there are too many, the one whose request began first has to end."""
        if len(self._open) >= 2 * MOST_THREADS:  # those that have to end have not done so yet
            self.shutdown_request(request)
            return
        if len(self._open) >= MOST_THREADS:
            for oldest in list(self._by_age)[:1]:
                self._by_age.pop(oldest, None)
                end(oldest)
        self._open.add(request)
        self.begins_request(request)
        super().process_request(request, client_address)

    def begins_request(self, connection: socket.socket) -> None:
        self._by_age.pop(connection, None)
        self._by_age[connection] = None

    def hand_on(self, asked: Asked, connection: socket.socket) -> None:
        self._by_age.pop(connection, None)
        self._handed_on.add(connection)
        self._hand_on(asked, connection)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection at the end of its thread, unless it has been handed on."""
        self._open.discard(request)
        self._by_age.pop(request, None)
        if request in self._handed_on:
            self._handed_on.discard(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log nothing of what a client has done to its own connection."""

    def close(self) -> None:
        """Stop listening, and end the connections whose requests are being read."""
        if self._retry:
            self._retry.cancel()
        asyncio.get_running_loop().remove_reader(self)
        self.server_close()
        for connection in list(self._open):
            end(connection)


def end(connection: socket.socket) -> None:
    """Wake a connection's thread, which then closes it; TLS must not be touched from another thread."""
    with suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
