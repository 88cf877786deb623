"""Clients of the standard library that block: run in a thread, within a deadline that no slow server can stretch."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import monotonic

from smanager.alerts.attempts import DeliveryError
from smanager.system.errors import in_words

NAME_SECONDS = 60.0
"""How much longer it may take to look up a name and to try all its addresses, which nothing can end from outside."""


_threads = ThreadPoolExecutor(256, "delivery")
"""More than there are alerts, each of which has one delivery under way: none waits for another's dead server, as it
would in the event loop's own threads, of which a small machine has five.
"""


class TimedConnection:
    """A connection to a server, which is cut at a deadline."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = monotonic() + seconds
        self._socket: socket.socket | None = None
        self.is_cut = False

    def open(self, host: str, port: int) -> socket.socket:
        """Connect. Raises OSError; DeliveryError if there can be no such host."""
        left = self._end - monotonic()
        if left <= 0 or self.is_cut:
            raise TimeoutError
        try:
            connected = socket.create_connection((host, port), left)
        except UnicodeError:  # of the codec `idna`: a label is empty or too long
            raise DeliveryError(f"{host} is not a valid host name", is_final=True) from None
        self._socket = connected.dup()  # stays valid when TLS takes the other over
        if self.is_cut:
            self.cut()
        return connected

    def cut(self) -> None:
        """End it, whatever waits there."""
        self.is_cut = True
        if self._socket:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()


async def within(seconds: float, server: str, work: Callable[[TimedConnection], None]) -> None:
    """Do some work in a thread; `server` names the other end in messages. Raises DeliveryError."""
    connection = TimedConnection(seconds)
    doing = asyncio.get_running_loop().run_in_executor(_threads, _do, work, server, connection)
    try:
        if (await asyncio.wait([doing], timeout=seconds))[0]:
            return doing.result()
        connection.cut()
        await asyncio.wait([doing], timeout=NAME_SECONDS)
    finally:
        connection.cut()
        doing.add_done_callback(lambda late: late.cancelled() or late.exception())  # or asyncio tells of it
    raise DeliveryError(f"{server}: no answer within {seconds:g} s")


def _do(work: Callable[[TimedConnection], None], server: str, connection: TimedConnection) -> None:
    """The work, with the errors of sockets in words."""
    try:
        work(connection)
    except ssl.SSLCertVerificationError as error:
        raise DeliveryError(f"{server}: its certificate cannot be trusted: {error.verify_message}") from None
    except TimeoutError:
        raise DeliveryError(f"{server}: no answer within {connection.seconds:g} s") from None
    except ssl.SSLError as error:
        raise DeliveryError(f"{server}: TLS failed: {(error.reason or 'unknown').lower().replace('_', ' ')}") from None
    except OSError as error:
        raise DeliveryError(f"{server}: {in_words(error)}") from None


def trusting(ca: str | None) -> ssl.SSLContext:
    """A context that checks certificates, against those of a file or of the system. Raises DeliveryError."""
    try:
        return ssl.create_default_context(cafile=ca or None)
    except (OSError, ssl.SSLError) as error:
        raise DeliveryError(f"{ca}: {in_words(error)}", is_final=True) from None
