"""Who may ask the page for what: the checks of a request's addresses, before anything else looks at it. No I/O."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""Names that no other machine can give this one, at any port: that of an ssh tunnel is the user's choice."""

FORWARDING = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP")
"""Headers that only proxies send."""


class RefusedError(Exception):
    """A request that is not answered as it wants; the text says why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Headers(Protocol):
    """The headers of a request, as `http.client` reads them."""

    def get_all(self, name: str, /) -> list[str] | None: ...


@dataclass(frozen=True)
class Door:
    """The addresses of the page, and how requests have to come."""

    scheme: str  # of the page's own listener
    origins: Sequence[str] = ()  # further addresses that browsers find the page at, such as `https://box.example`
    proxies: Sequence[str] = ()  # networks whose word on where a request comes from counts
    needs_login: bool = False

    def origin(self, headers: Headers, own_address: str) -> str:
        """The page's address as the browser has it. Raises RefusedError where that cannot be the page's.

        Another name may be one that its owner has pointed to this machine, whose scripts would then read the page (DNS
        rebinding).
        """
        host = one_of(headers, "Host").lower()
        for origin in self.origins:
            if urlsplit(origin).netloc == host:
                return origin
        name = host[: host.find("]") + 1] or host.partition(":")[0]
        if name in LOOPBACK_NAMES or name == (f"[{own_address}]" if ":" in own_address else own_address):
            return f"{self.scheme}://{host}"
        raise RefusedError(421, f"the page is not at {host!r}; what names it has besides, origins in [web] says")

    def client(self, headers: Headers, peer: str) -> str:
        """The IP address of the browser: the connection's, or what a trusted proxy says. Raises RefusedError."""
        if any(headers.get_all(name) for name in FORWARDING) and not self._trusts(peer):
            if self.needs_login:
                return peer
            raise RefusedError(403, f"a proxy at {peer} has sent this, and proxies in [web] does not name it")
        forwarded = ",".join(headers.get_all("X-Forwarded-For") or ()).rpartition(",")[2].strip()
        if not forwarded:
            return peer
        try:
            return str(ipaddress.ip_address(forwarded))
        except ValueError:
            raise RefusedError(400, f"X-Forwarded-For ends in {forwarded!r}, and should end in an IP address") from None

    def _trusts(self, peer: str) -> bool:
        address = ipaddress.ip_address(peer)
        return any(address in ipaddress.ip_network(network) for network in self.proxies)


def require_own_page(headers: Headers, origin: str, changes: bool) -> None:
    """Raise RefusedError for a request that another site's page has made; one that `changes` something names it."""
    given = one_of(headers, "Origin") if changes or headers.get_all("Origin") else origin
    if given != origin:
        raise RefusedError(403, f"the request is from a page of {given}, and this page is at {origin}")
    if one_of(headers, "Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise RefusedError(403, "the request is from a page of another site")


def require_json(headers: Headers) -> None:
    """Raise RefusedError for a body that a form could send."""
    kind = one_of(headers, "Content-Type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise RefusedError(415, f"Content-Type is {kind!r}, and should be application/json")


def body_length(headers: Headers, most: int) -> int:
    """The length of a request's body. Raises RefusedError for one that is not given, or too long."""
    if headers.get_all("Transfer-Encoding"):
        raise RefusedError(411, "a body should have a Content-Length, and no Transfer-Encoding")
    length = one_of(headers, "Content-Length")
    if not (length.isascii() and length.isdecimal()):
        raise RefusedError(400, f"Content-Length is {length!r}, and should be a number")
    if len(length) > len(str(most)) or int(length) > most:
        raise RefusedError(413, f"a body of {length} bytes; at most {most}")
    return int(length)


def one_of(headers: Headers, name: str, default: str | None = None) -> str:
    """The value of a header that comes once. Raises RefusedError where it is missing or comes twice."""
    values = headers.get_all(name) or ([] if default is None else [default])
    if len(values) != 1:
        problem = "comes twice" if values else "is missing"
        raise RefusedError(400, f"the header {name} {problem}")
    return values[0].strip()


def cookies(headers: Headers) -> Mapping[str, str]:
    """The cookies of a request, of which only names and values without quotes are ours."""
    pairs = (pair.partition("=") for header in headers.get_all("Cookie") or () for pair in header.split(";"))
    return {name.strip(): value.strip() for name, _, value in pairs}
