"""Serves the pages of metrics by HTTP, to as many clients, and for as long, as named limits say."""

from __future__ import annotations

import io
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from time import monotonic
from typing import Any, NamedTuple

from smanager.system.errors import in_words

MOST_CONNECTIONS = 16  # at a time; more are closed at once. A scrape takes some milliseconds, and few scrape one box
HEAD_SECONDS = 5.0  # in which a request has to be there, with all of its headers
HEAD_LIMIT = 8 * 1024  # bytes of a request with its headers; a browser sends one or two thousand
SEND_SECONDS = 10.0  # in which a client has to take its page
LOOK_SECONDS = 60.0  # from one look whether to end to the next, on a system where `end` wakes nobody

TEXT = "text/plain; charset=utf-8"


class MetricsPage(NamedTuple):
    """What a client is answered."""

    text: str
    content_type: str = TEXT
    status: HTTPStatus = HTTPStatus.OK


Pages = Mapping[str, Callable[[str], MetricsPage]]
"""By path, what makes a page, given the request's Accept header."""


class MetricsServer(ThreadingHTTPServer):
    """Answers GET and HEAD, one request for each connection, in threads."""

    daemon_threads = True
    block_on_close = False  # the process ends with its threads
    request_queue_size = MOST_CONNECTIONS
    timeout = LOOK_SECONDS

    def __init__(self, address: tuple[str, int], pages: Pages) -> None:
        """Listen. Raises OSError."""
        self.pages = pages
        self._is_ending = False
        self._free = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.url = "http://" + (f"[{address[0]}]" if ":" in address[0] else address[0])
        try:
            super().__init__(address, _MetricsHandler)
        except OSError as error:
            raise OSError(f"{self.url}:{address[1]} cannot be served: {in_words(error)}") from None
        self.url += f":{self.server_port}"

    def serve(self) -> None:
        """Answer clients until the `end`."""
        while not self._is_ending:
            self.handle_request()
        self.server_close()

    def end(self) -> None:
        """Let `serve` return soon."""
        self._is_ending = True
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)  # wakes who waits for clients

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer's would look up the host's name, which may take seconds
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread can be started
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # clients come and go
            super().handle_error(request, client_address)


class _MetricsHandler(BaseHTTPRequestHandler):
    server: MetricsServer
    default_request_version = "HTTP/1.0"  # who does not say one, or a wrong one, is answered with headers all the same
    error_content_type = TEXT
    error_message_format = "%(message)s\n"

    def setup(self) -> None:
        super().setup()
        self.rfile = io.BufferedReader(io.BytesIO(self._head()))
        self.connection.settimeout(SEND_SECONDS)

    def _head(self) -> bytes:
        """The request with its headers; nothing if it is too long, or does not come in time."""
        deadline, head = monotonic() + HEAD_SECONDS, b""
        with suppress(OSError):
            while len(head) <= HEAD_LIMIT and (left := deadline - monotonic()) > 0:
                if b"\r\n\r\n" in head or b"\n\n" in head:
                    return head
                self.connection.settimeout(left)
                if not (piece := self.connection.recv(HEAD_LIMIT)):
                    break
                head += piece
        return b""

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        if self.command not in ("GET", "HEAD"):
            self.send_error(HTTPStatus.METHOD_NOT_ALLOWED)
            return False
        return True

    def do_GET(self) -> None:
        if make := self.server.pages.get(self.path.partition("?")[0]):
            self._answer(make(self.headers.get("Accept", "")))
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def do_HEAD(self) -> None:
        self.do_GET()

    def _answer(self, page: MetricsPage) -> None:
        body = page.text.encode("utf-8", "replace")
        self.send_response(page.status)
        self.send_header("Content-Type", page.content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def version_string(self) -> str:
        return "SManager"

    def log_message(self, *ignored: object) -> None:
        """Log nothing: a scrape is not an event."""
