"""Delivers a note by HTTP: a POST of JSON, or of what a template makes."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from contextlib import closing
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from smanager.alerts.attempts import DeliveryError
from smanager.alerts.blocking import TimedConnection, trusting, within
from smanager.alerts.message import Note, is_json
from smanager.alerts.secret import Vault

JSON = "application/json"

PORTS = {"http": 80, "https": 443}

ASKED_TO_WAIT = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
"""Of the answers that say that the request is at fault, those that say to try again."""


class Target(NamedTuple):
    """Where a URL leads to."""

    has_tls: bool
    host: str
    port: int
    path: str

    @classmethod
    def of(cls, url: str) -> Target:
        """Raises ValueError if the text is not such a URL; its message does not show it."""
        try:
            parts = urlsplit(url)
            port, host = parts.port, parts.hostname
        except ValueError:  # whose text shows what was wrong
            host = None
        if not host or parts.scheme not in PORTS or parts.username is not None or not url.isascii():
            raise ValueError("url should begin with http:// or https:// and a host")
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        if " " in path or not path.isprintable():
            raise ValueError("url should have no blanks")
        return cls(parts.scheme == "https", host, port or PORTS[parts.scheme], path or "/")


async def post(given: Mapping[str, Any], note: Note, seconds: float, vault: Vault) -> None:
    """Send a note to a URL. Raises DeliveryError and SecretError."""
    try:
        target = Target.of(vault.filled(given["url"]))
    except ValueError as error:
        raise DeliveryError(str(error), is_final=True) from None
    headers = {"content-type": JSON, "user-agent": "SManager"}
    headers |= {name.lower(): _header(name, vault.filled(value)) for name, value in given["headers"].items()}
    template = given["template"]
    body = note.filled(template, is_json(headers["content-type"])) if template else note.as_json()

    def work(connection: TimedConnection) -> None:
        try:
            _post(connection, target, given["ca"], headers, body.encode("utf-8", "replace"))
        except OSError:  # among them errors of TLS, some of which are ValueErrors as well
            raise
        except (http.client.HTTPException, ValueError):  # whose text may have what was sent, or came
            raise DeliveryError(f"{target.host}: what it answers is not HTTP") from None

    await within(seconds, target.host, work)


def _header(name: str, value: str) -> str:
    """A header's value. Raises DeliveryError, which does not show it."""
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        raise DeliveryError(f"the header {name} should have only characters of Latin-1", is_final=True) from None
    return value


def _post(connection: TimedConnection, target: Target, ca: str | None, headers: Mapping[str, str], body: bytes) -> None:
    """Raises DeliveryError, OSError, HTTPException and ValueError."""
    client: http.client.HTTPConnection
    if target.has_tls:
        context = trusting(ca)
        client = http.client.HTTPSConnection(target.host, target.port, context=context)
        client.sock = context.wrap_socket(connection.open(target.host, target.port), server_hostname=target.host)
    else:
        client = http.client.HTTPConnection(target.host, target.port)
        client.sock = connection.open(target.host, target.port)
    with closing(client):
        client.request("POST", target.path, body, headers)
        answer = client.getresponse()
        status, wait = answer.status, answer.getheader("Retry-After", "")
    if not 200 <= status < 300:
        _refuse(target, status, float(wait) if wait.isascii() and wait.isdecimal() else 0.0)


def _refuse(target: Target, status: int, wait: float) -> None:
    """Raise DeliveryError for an answer. A redirection is not followed: who is told is the administrator's choice."""
    known = {one.value: f" {one.phrase}" for one in HTTPStatus}
    hint = "; url should be where that leads to" if 300 <= status < 400 else ""
    is_final = 300 <= status < 500 and status not in ASKED_TO_WAIT
    raise DeliveryError(f"{target.host} answered {status}{known.get(status, '')}{hint}", is_final, wait)
