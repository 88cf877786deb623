"""A bound socket, and the connections that the kernel has for it."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable

from smanager.system.errors import in_words
from smanager.system.sockets import READ, Sockets

BACKLOG = 1024
"""Connections that may wait to be accepted; with only a handful, some clients would have to retry after a second."""

ACCEPTS_A_TURN = 16
"""Connections accepted in one turn of the event loop, before the surplus is counted and closed: far fewer than the
descriptors in reserve, and than a whole backlog."""

RETRY_SECONDS = 1.0  # after the system had no descriptor or no memory for a connection, which then goes on waiting

Accepted = Callable[[socket.socket, object], None]  # takes a connection and its peer's address

log = logging.getLogger("smanager")


class Acceptor:
    """A bound socket that accepts connections from `begin` to `close`."""

    def __init__(self, listening: socket.socket, accepted: Accepted) -> None:
        listening.setblocking(False)
        # These options hold for each accepted connection as well (tcp(7)). Telnet's urgent data has to stay in the
        # stream, or half a command is lost (RFC 854, Synch).
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if listening.family != socket.AF_UNIX:
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = listening
        self._accepted = accepted
        self._sockets: Sockets | None = None  # from `begin` to `close`
        self._waits = False

    def begin(self, sockets: Sockets) -> None:
        """Let clients connect, which the kernel has refused so far. Raises OSError if another process listens now."""
        self.socket.listen(BACKLOG)
        self._sockets = sockets
        self._wait(True)

    def close(self) -> None:
        self._wait(False)
        self._sockets = None
        self.socket.close()

    def _wait(self, waits: bool) -> None:
        if self._sockets and waits is not self._waits:
            self._sockets.wait(self.socket, READ * self._waits, READ * waits, self._accept)
            self._waits = waits

    def _accept(self, events: int) -> None:
        for _ in range(ACCEPTS_A_TURN):
            try:
                connection, address = self.socket.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                log.error("cannot accept a connection: %s", in_words(error))
                self._wait(False)
                asyncio.get_running_loop().call_later(RETRY_SECONDS, self._wait, True)
                return
            connection.setblocking(False)
            self._accepted(connection, address)


async def bound(host: str, port: int) -> list[socket.socket]:
    """Sockets bound to a port of each address that a host's name has; an empty name has all addresses.

    Raises OSError if there is no such host, or an address cannot be bound; where others can, one that the machine does
    not have (`localhost` is `::1` too) does not matter.
    """
    kind, flags = socket.SOCK_STREAM, socket.AI_PASSIVE
    found = await asyncio.get_running_loop().getaddrinfo(host or None, port, type=kind, flags=flags)
    sockets: list[socket.socket] = []
    absent: OSError | None = None
    try:
        for family, _, protocol, _, address in dict.fromkeys(found):
            try:
                sockets.append(bound_to(family, protocol, address))
            except OSError as error:
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                absent = error
        if absent and not sockets:
            raise absent
    except BaseException:
        for one in sockets:
            one.close()
        raise
    return sockets


def bound_to(family: int, protocol: int, address: tuple[object, ...]) -> socket.socket:
    """A socket bound to an address. Raises OSError."""
    one = socket.socket(family, socket.SOCK_STREAM, protocol)
    try:
        # With this a configured port can be bound while old connections are in TIME_WAIT. A picked port has to be
        # unused, and with SO_REUSEADDR the kernel may pick one that is bound and does not listen yet.
        if address[1] != 0:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:  # IPv4's addresses have sockets of their own
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(address)
    except BaseException:
        one.close()
        raise
    return one
