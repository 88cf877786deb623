"""Who is at the other end of a connection, as far as the system or a certificate tells."""

from __future__ import annotations

import os
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

KINDS = {"cn", "dns", "email", "uri", "ip", "ip address", "rid", "registered id", "dirname", "othername"}
KINDS |= {"x400name", "edipartyname"}
"""The kinds of names in certificates as the ssl module and openssl's configuration call them, in lower case."""


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


def names_in(certificate: Mapping[str, Any]) -> list[str]:
    """The names in a client's certificate, each with its kind (`CN:anna`, `DNS:laptop`, `email:anna@lab.org`).

    The subject's CN and the host names come without their kind as well, since these may be users' names; not where
    such a name itself reads as one with a kind, and so could pass for another name.
    """
    common = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    # The last CN is the one of the subject itself; those before it are of what the subject is in (RFC 4514, 2.1).
    names = [("CN", value) for value in common[-1:]]
    # A directory name is not text, and OpenSSL prints `<unsupported>` for kinds whose values it cannot show.
    others = certificate.get("subjectAltName", ())
    names += [(kind, value) for kind, value in others if isinstance(value, str) and not value.startswith("<")]
    return [form for kind, value in names for form in _forms(kind, value)]


def _forms(kind: str, value: str) -> list[str]:
    begins_with_kind = value.partition(":")[0].strip().lower() in KINDS and ":" in value
    is_plain = kind in ("CN", "DNS") and not begins_with_kind
    return [*([value] if is_plain else []), f"{kind}:{value}"]
