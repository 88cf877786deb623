"""Who is at the other end of a connection, as far as the system tells."""

from __future__ import annotations

import os
import pwd
import socket
import struct
from functools import lru_cache
from time import monotonic

from smanager.access.origin import Origin, OriginKind

NAME_SECONDS = 5.0
"""How long a user's name is cached: asking a directory service each time would block all sessions, but a user id that
has been given to another user must not keep the first user's roles."""


def origin_of(connection: socket.socket, address: object) -> Origin:
    """The origin of a connection, whose peer has this socket address (None if the peer is gone already)."""
    if isinstance(address, tuple):
        host, port = address[:2]
        return Origin(OriginKind.TCP, host, port)
    if connection.family != socket.AF_UNIX:
        return Origin(OriginKind.TCP)
    if not hasattr(socket, "SO_PEERCRED"):  # macOS
        return Origin(OriginKind.UNIX)
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)  # unix(7)
    process, user, _ = struct.unpack("3i", credentials)
    return Origin(OriginKind.UNIX, user=user_name(user), process=process)


def is_own(peer: Origin) -> bool:
    """Whether a client runs as this process's user or root; where the system does not tell, the file's mode decides."""
    return not peer.user or peer.user in (user_name(os.geteuid()), user_name(0))


def user_name(number: int) -> str:
    """The system's name for a user id, or else its digits."""
    return _name_now(number, int(monotonic() / NAME_SECONDS))


@lru_cache(256)
def _name_now(number: int, period: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
