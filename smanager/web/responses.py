"""What is sent to browsers, as bytes: heads of answers, with the headers that every answer has, and events. No I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus

from smanager.commands.jsonable import jsonable

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",  # no text becomes markup, even by a mistake
        "trusted-types 'none'",
    )
)

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Headers of every answer."""

PING = b": ping\n\n"


def head(status: int, headers: Mapping[str, str]) -> bytes:
    """The status line and the headers of an answer. No value has a line break: all are ours."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in {**HEADERS, **headers}.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def encoded(value: object) -> str:
    """A value as JSON, in ASCII and in one line."""
    return json.dumps(value, default=jsonable)


def answer(status: int, value: object, headers: Mapping[str, str] | None = None) -> bytes:
    """A whole answer in JSON, after which the connection ends."""
    body = encoded(value).encode()
    about = {"Content-Type": "application/json", "Content-Length": str(len(body)), "Cache-Control": "no-store"}
    return head(status, {**about, "Connection": "close", **(headers or {})}) + body


def error(status: int, message: str, headers: Mapping[str, str] | None = None) -> bytes:
    """An answer that says in one line what is wrong."""
    return answer(status, {"error": message}, headers)


def stream_head() -> bytes:
    """The head of a stream of events, which ends with the connection. Proxies are asked to pass each on at once."""
    about = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return head(200, about | {"Connection": "close"})


def event(kind: str, value: object) -> bytes:
    """An event of a stream."""
    return f"event: {kind}\ndata: {encoded(value)}\n\n".encode()
