"""The server of pages: what it answers, and what clients cannot do to it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import pytest

from smanager.metrics import server
from smanager.metrics.server import HEAD_LIMIT, MOST_CONNECTIONS, MetricsPage, MetricsServer
from tests.conftest import SECONDS, read_to_end

HELD = threading.Event()


def held(accept: str) -> MetricsPage:
    HELD.wait(SECONDS)
    return MetricsPage("held\n")


PAGES = {
    "/metrics": lambda accept: MetricsPage(f"ü {accept}\n", "text/x"),
    "/healthz": lambda accept: MetricsPage("no\n", status=HTTPStatus.SERVICE_UNAVAILABLE),
    "/held": held,
    "/large": lambda accept: MetricsPage("x" * 50_000_000),
}


class WatchedServer(MetricsServer):
    """Tells when a connection is over."""

    def __init__(self) -> None:
        self.over = threading.Event()
        super().__init__(("127.0.0.1", 0), PAGES)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        super().process_request_thread(request, client_address)
        self.over.set()


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> Iterator[WatchedServer]:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.2)
    monkeypatch.setattr(server, "SEND_SECONDS", 0.2)
    HELD.clear()
    made = WatchedServer()
    thread = threading.Thread(target=made.serve)
    thread.start()
    yield made
    HELD.set()
    made.end()
    thread.join(SECONDS)
    assert not thread.is_alive()


def connected(serving: MetricsServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", serving.server_port), timeout=SECONDS)


def asked(serving: MetricsServer, request: bytes) -> tuple[str, str]:
    """The answer's head and body."""
    with connected(serving) as client:
        client.sendall(request)
        head, _, body = read_to_end(client).decode().partition("\r\n\r\n")
        return head, body


def test_a_page_is_sent_whole(serving: MetricsServer) -> None:
    head, body = asked(serving, b"GET /metrics?x=1 HTTP/1.1\r\nHost: x\r\nAccept: text/plain\r\n\r\n")
    assert head.startswith("HTTP/1.0 200 OK\r\nServer: SManager\r\n")
    assert head.endswith("Content-Type: text/x\r\nContent-Length: 14")
    assert body == "ü text/plain\n"
    head, body = asked(serving, b"HEAD /metrics HTTP/1.0\n\n")
    assert ("Content-Length: 4" in head, body) == (True, "")


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /healthz HTTP/1.1", "503 Service Unavailable"),
        (b"GET / HTTP/1.1", "404 Not Found"),
        (b"GET /metrics/ HTTP/1.1", "404 Not Found"),
        (b"GET //metrics HTTP/1.1", "200 OK"),
        (b"GET /../metrics HTTP/1.1", "404 Not Found"),
        (b"POST /metrics HTTP/1.1", "405 Method Not Allowed"),
        (b"OPTIONS * HTTP/1.1", "405 Method Not Allowed"),
        (b"get /metrics HTTP/1.1", "405 Method Not Allowed"),
        (b"GET /metrics HTTP/9.9", "505 "),
        (b"GET /metrics FTP/1.0", "400 "),
        (b"GET", "400 "),
        (b"\xff\xfe /metrics HTTP/1.1", "405 Method Not Allowed"),
    ],
)
def test_nothing_else_is_answered(serving: MetricsServer, request_line: bytes, status: str) -> None:
    head, body = asked(serving, request_line + b"\r\n\r\n")
    assert head.partition(" ")[2].startswith(status), head
    assert "<" not in body
    assert head.count("\r\n\r\n") == 0


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        b"GET /metrics HTTP/1.1\r\nHost: x\r\n",
        b"GET /metrics HTTP/1.1\r\nX: " + b"x" * HEAD_LIMIT + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"\r\n\r\n",
    ],
)
def test_a_request_that_is_too_long_or_late_is_not_answered(serving: MetricsServer, request_: bytes) -> None:
    with connected(serving) as client:
        client.sendall(request_)
        with suppress(ConnectionResetError):  # what was not read is lost
            assert read_to_end(client) == b""


def test_one_that_does_not_read_is_let_go(serving: WatchedServer) -> None:
    with connected(serving) as client:
        client.sendall(b"GET /large HTTP/1.1\r\n\r\n")
        assert serving.over.wait(SECONDS)
        with suppress(ConnectionResetError):
            assert len(read_to_end(client)) < 50_000_000


def test_more_clients_than_there_is_room_for_are_turned_away_until_others_leave(serving: MetricsServer) -> None:
    clients = [connected(serving) for _ in range(MOST_CONNECTIONS)]
    for client in clients:
        client.sendall(b"GET /held HTTP/1.1\r\n\r\n")
    with connected(serving) as late:
        late.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        with suppress(ConnectionResetError):
            assert read_to_end(late) == b""
    HELD.set()
    for client in clients:
        assert read_to_end(client).endswith(b"held\n")
        client.close()
    assert asked(serving, b"GET /metrics HTTP/1.1\r\n\r\n")[1] == "ü \n"


def test_an_address_that_is_taken_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=rf"^http://127\.0\.0\.1:{port} cannot be served: address already in use$"):
            MetricsServer(("127.0.0.1", port), {})


def test_an_address_of_ipv6_is_served() -> None:
    made = MetricsServer(("::1", 0), PAGES)
    made.server_close()
    assert made.url == f"http://[::1]:{made.server_port}"
