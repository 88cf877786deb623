"""Who is at the other end of a connection, as far as the system or a certificate knows."""

from __future__ import annotations

import pwd
import socket
import struct
from collections.abc import Mapping
from functools import lru_cache
from time import monotonic
from typing import Any

NAME_SECONDS = 5.0
"""How long a user's name is taken for known: a directory service in the network would hold up everybody each time,
and a number that is another user's by now must not have the first one's roles."""


def origin_of(connection: socket.socket, address: object) -> str:
    """Where a connection comes from: an address, or on a unix socket a user and a process."""
    if connection.family != socket.AF_UNIX:
        return peer_name(address)
    process, user = unix_peer(connection)
    return f"a unix socket, user {user_name(user)}, process {process}" if process else "a unix socket"


def unix_peer(connection: socket.socket) -> tuple[int, int | None]:
    """The process and the user id at the other end of a unix socket, where the system tells them (unix(7))."""
    if not hasattr(socket, "SO_PEERCRED"):
        return 0, None
    process, user, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return process, user


def user_name(number: int | None) -> str:
    """What the system calls a user."""
    return "" if number is None else _name_now(number, int(monotonic() / NAME_SECONDS))


@lru_cache(256)
def _name_now(number: int, period: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def names_in(certificate: Mapping[str, Any]) -> list[str]:
    """The names that a client's certificate is for: its subject's CN, and the alternative ones (with their kind, but
    for host names, so that a URI is nobody's name by chance)."""
    subject = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    others = certificate.get("subjectAltName", ())
    return [*subject, *(value if kind == "DNS" else f"{kind}:{value}" for kind, value in others)]


def peer_name(address: object) -> str:
    """An address as `HOST:PORT`, or a unix socket's path."""
    if isinstance(address, tuple):
        host, port = address[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return str(address)
