"""Where commands come from: a connection, the console, or the manager itself."""

from __future__ import annotations

import ipaddress
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

NETWORK_BITS = 64  # the part of an IPv6 address that names a network; one client has the whole network (RFC 6177)

ORIGINS_KEPT = 1000  # addresses whose reading is remembered: a script connects again and again


class OriginKind(Enum):
    """The ways in; each value is the text that people read."""

    TCP = "a TCP connection"
    UNIX = "a unix socket"
    CONSOLE = "the console"
    MANAGER = "the manager"
    SHUTDOWN = "the manager's end"
    RELOAD = "a reload"
    SIGHUP = "SIGHUP"
    SERVICE = "a service"


class Origin(NamedTuple):
    """One place that commands come from; `str` gives the text for people and the audit journal."""

    kind: OriginKind
    host: str = ""  # the IP address of a client; empty if a TCP client was gone before the system could tell
    port: int = 0
    user: str = ""  # the system's user at the other end of a unix socket; empty if the system does not tell
    service: str = ""  # the service that asks
    acting_as: str = ""  # under which of its other names the service asks; empty for its own
    behalf: str = ""  # where the caller is for whom the service acts; empty if it acts for itself
    process: int = 0  # the process id at the other end of a unix socket; 0 if the system does not tell

    @property
    def address(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """The IP address; also of an IPv4 client on a socket that serves both families. None without one."""
        return _address(self.host) if self.host else None

    @property
    def network(self) -> str:
        """What failures and sessions are counted by: an IPv4 address, an IPv6 network, or a unix socket's user."""
        if self.host:
            return _network(self.host)
        if self.service:
            return f"service {self.service}"
        return f"{self.kind.value}, user {self.user}" if self.user else self.kind.value

    def __str__(self) -> str:
        if self.service:
            name = f"service {self.service} as {self.acting_as}" if self.acting_as else f"service {self.service}"
            whom = self.behalf or self.host
            return f"{name} for {whom}" if whom else name
        if self.host:
            return address_text(self.host, self.port)
        return f"{self.network}, process {self.process}" if self.process else self.kind.value


@lru_cache(ORIGINS_KEPT)
def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(host.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


@lru_cache(ORIGINS_KEPT)
def _network(host: str) -> str:
    address = _address(host)
    if isinstance(address, ipaddress.IPv6Address):
        host_bits = address.max_prefixlen - NETWORK_BITS
        return str(ipaddress.IPv6Network((int(address) >> host_bits << host_bits, NETWORK_BITS)))
    return str(address)


CONSOLE = Origin(OriginKind.CONSOLE)
MANAGER = Origin(OriginKind.MANAGER)
SHUTDOWN = Origin(OriginKind.SHUTDOWN)
RELOAD = Origin(OriginKind.RELOAD)
SIGHUP = Origin(OriginKind.SIGHUP)


def address_text(host: str, port: int) -> str:
    """An address as `HOST:PORT`, an IPv6 one in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
