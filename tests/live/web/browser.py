"""A browser as the page's server sees one: requests, a cookie, the page's own address, streams of events."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.conftest import SECONDS


@dataclass
class Browser:
    """One browser."""

    port: int
    tls: ssl.SSLContext | None = None
    address: str = ""
    """Where a proxy says that it is."""
    name: str = "127.0.0.1"
    """By which it reaches the page."""
    cookie: str = ""
    csrf: str = ""
    told: dict[str, Any] = field(default_factory=dict)
    """The headers of the last answer."""

    @property
    def host(self) -> str:
        return f"{self.name}:{self.port}"

    @property
    def origin(self) -> str:
        return f"http{'s' if self.tls else ''}://{self.host}"

    def connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), SECONDS)
        return self.tls.wrap_socket(connection, server_hostname="127.0.0.1") if self.tls else connection

    def headers(self, method: str, given: dict[str, str | None]) -> dict[str, str]:
        """What a browser sends, with other values for what is given; None leaves a header out."""
        usual = {"Host": self.host, "Cookie": self.cookie, "X-Forwarded-For": self.address}
        if method == "POST":
            usual |= {"Origin": self.origin, "Content-Type": "application/json", "X-CSRF-Token": self.csrf}
        wanted = {**usual, **{name.replace("_", "-"): value for name, value in given.items()}}
        return {name: value for name, value in wanted.items() if value}

    def begin(self, method: str, path: str, body: object = None, **given: str | None) -> http.client.HTTPResponse:
        """Send a request, and read the head of its answer."""
        client = http.client.HTTPConnection("127.0.0.1")
        client.sock = self.connect()
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        client.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        if content is not None:
            given.setdefault("Content_Length", str(len(content)))
        for name, value in self.headers(method, given).items():
            client.putheader(name, value)
        client.endheaders(content)
        answer = client.getresponse()
        self.told = dict(answer.getheaders())
        if given := self.told.get("Set-Cookie", ""):
            self.cookie = given.partition(";")[0]
        return answer

    def ask(self, method: str, path: str, body: object = None, **given: str | None) -> tuple[int, Any]:
        """Send a request; return the status and the JSON of the answer, or its bytes."""
        with self.begin(method, path, body, **given) as answer:
            content = answer.read()
        is_json = self.told.get("Content-Type") == "application/json" and content
        value = json.loads(content) if is_json else content
        if isinstance(value, dict):
            self.csrf = value.get("csrf", self.csrf)
        return answer.status, value

    def open(self) -> dict[str, Any]:
        """Open the page; return what it is told of its login."""
        status, told = self.ask("GET", "/session")
        assert status == 200, told
        return dict(told)

    def log_in(self, user: str, password: str) -> int:
        return self.ask("POST", "/login", {"user": user, "password": password})[0]

    def call(self, method: str, params: object = None, **given: str | None) -> Any:
        """Call a method; return its result, or its error."""
        status, answer = self.ask("POST", "/call", call_of(method, params), **given)
        assert status == 200, answer
        assert (answer["jsonrpc"], answer["id"]) == ("2.0", 7)
        return answer["result"] if "result" in answer else answer["error"]

    def stream(self, method: str, params: object = None) -> Iterator[tuple[str, Any]]:
        """Call a method; iterate over the events of its answer."""
        return events(self.begin("POST", "/call", call_of(method, params), Accept="text/event-stream"))

    def live(self) -> Iterator[tuple[str, Any]]:
        """What happens now."""
        return events(self.begin("GET", "/live"))


def call_of(method: str, params: object = None) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": 7, "method": method, **({} if params is None else {"params": params})}


def events(answer: http.client.HTTPResponse) -> Iterator[tuple[str, Any]]:
    """The events of a stream, each with its kind; ending the iteration closes the connection."""
    with answer:
        assert (answer.status, answer.getheader("Content-Type")) == (200, "text/event-stream"), answer.read()
        kind = ""
        for line in answer:
            if line.startswith(b"event: "):
                kind = line[7:].decode().strip()
            elif line.startswith(b"data: "):
                yield kind, json.loads(line[6:])
