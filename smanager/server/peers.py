"""Who is at the other end of a connection, as far as the system or a certificate tells."""

from __future__ import annotations

import pwd
import socket
import struct
from collections.abc import Mapping
from functools import lru_cache
from time import monotonic
from typing import Any

from smanager.access.origin import Origin, OriginKind

NAME_SECONDS = 5.0
"""How long a user's name is cached: asking a directory service each time would block all sessions, but a user id that
has been given to another user must not keep the first user's roles."""


def origin_of(connection: socket.socket, address: object) -> Origin:
    """The origin of a connection, whose peer has this socket address (None if the peer is gone already)."""
    if connection.family != socket.AF_UNIX:
        host, port = address[:2] if isinstance(address, tuple) else ("", 0)
        return Origin(OriginKind.TCP, host, port)
    if not hasattr(socket, "SO_PEERCRED"):  # macOS
        return Origin(OriginKind.UNIX)
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)  # unix(7)
    process, user, _ = struct.unpack("3i", credentials)
    return Origin(OriginKind.UNIX, user=user_name(user), process=process)


def user_name(number: int) -> str:
    """The system's name for a user id, or else its digits."""
    return _name_now(number, int(monotonic() / NAME_SECONDS))


@lru_cache(256)
def _name_now(number: int, period: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def names_in(certificate: Mapping[str, Any]) -> list[str]:
    """The names in a client's certificate: its subject's CN, and its alternative names."""
    subject = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    others = certificate.get("subjectAltName", ())
    # An alternative name that is not a host name comes with its kind, so that a URI, say, never equals a user's name.
    return [*subject, *(value if kind == "DNS" else f"{kind}:{value}" for kind, value in others)]
