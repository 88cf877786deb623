"""Real servers on loopback, to which alerts are delivered."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

MAIL_PASSWORD = "mail-secret"


class Request:
    """One that was received."""

    def __init__(self, path: str, headers: Message, body: bytes) -> None:
        self.path = path
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class HttpReceiver:
    """An HTTP server that keeps what it is sent, and answers with the `answers` in turn, the last of them again.

    What is sent to `/refused` is forbidden.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.answers: list[tuple[int, dict[str, str]]] = [(200, {})]
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append(Request(self.path, self.headers, body))
                answers = receiver.answers
                status, headers = answers.pop(0) if len(answers) > 1 else answers[0]
                status = 403 if self.path == "/refused" else status
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(b"you said " + str(self.headers).encode())

            def log_message(self, *ignored: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if context:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=[0.01], daemon=True).start()

    def forget(self) -> None:
        self.requests.clear()
        self.answers = [(200, {})]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class MailReceiver:
    """A mail server that keeps what it is sent, and takes none for `nobody@…`."""

    def __init__(self, context: ssl.SSLContext | None = None, from_the_start: bool = False) -> None:
        self.mails: list[Any] = []
        options: dict[str, Any] = {"hostname": "127.0.0.1", "port": 0, "ready_timeout": 30}
        if context:
            options |= {"authenticator": self._login, "auth_required": True}
            options |= {"ssl_context": context} if from_the_start else {"tls_context": context}
            if from_the_start:
                options["auth_require_tls"] = False  # it does not know that it has TLS
        self._controller = PickedPort(self, **options)
        self._controller.start()
        self.port = self._controller.picked

    @staticmethod
    def _login(server: object, session: object, envelope: object, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (b"box", MAIL_PASSWORD.encode()), handled=False)

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if address.startswith("nobody@"):
            return "550 there is nobody"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append(envelope)
        return "250 OK"

    def close(self) -> None:
        self._controller.stop()


class PickedPort(Controller):
    """A controller on a free port."""

    picked = 0

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.picked = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]  # of a package without types


@contextmanager
def speaking(say: Callable[[socket.socket], object]) -> Iterator[int]:
    """A port where each client gets what `say` sends."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client, suppress(OSError):
                    say(client)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def server_context(directory: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "server.pem")
    return context
