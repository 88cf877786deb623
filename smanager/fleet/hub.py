"""The connection to the hub of a fleet, which is a NATS server: who may be asked, and what follows when it is lost.

Everything here needs the package nats-py, which the extra `smanager-shell[fleet]` installs.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import re
import socket
import ssl
import struct
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from smanager.system.errors import in_words
from smanager.system.given import secret

if TYPE_CHECKING:
    from nats.aio.client import Client

SCHEMES = ("tls", "nats")
DEFAULT_PORT = 4222
SERVER_EXAMPLE = 'an address such as "tls://hub.example:4222"'

CONNECT_SECONDS = 5.0  # for one server to take a connection, TLS and login included
LOOK_SECONDS = 5  # from one look whether the hub is there to the next, and for it to answer: less than nodes are given
NEVER_SECONDS = 10**9  # for what is not to be done
CLOSE_SECONDS = 2  # for the server to take what is still to be sent when a connection is ended
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0  # seconds from one round of attempts to the next, doubled each time
STEADY_SECONDS = 10.0  # that a connection has to last for the pauses to be short again
CREDENTIALS_LIMIT = 64 * 1024  # bytes of a file of credentials
CREDENTIALS_MARK = "-----BEGIN NATS USER JWT-----"  # begins a file that NATS' `nsc` has made; others hold a seed

NO_LINGERING = struct.pack("ii", 1, 0)  # on, for no time (socket(7), SO_LINGER)

HOST = re.compile(r"[\w.:%-]+")  # a name or an IP address
SEED = re.compile("SU[A-Z2-7]{56}")
REFUSED = "authorization violation"  # what a hub says to whom it does not know, or does not know any more

UNKNOWN = "it has ended the connection; were these credentials revoked?"


class HubError(Exception):
    """The hub cannot be used; the text says why, and what would be right."""


class HubAccess(NamedTuple):
    """Where a hub is, and how to log in there."""

    servers: tuple[str, ...]
    credentials: Path | None = None
    ca: Path | None = None
    insecure: bool = False
    """Whether a hub on another machine may do without TLS and logins."""

    @property
    def name(self) -> str:
        """What messages and the audit journal call the hub: its first server's host."""
        return urlsplit(self.servers[0]).hostname or ""


def server_of(text: object) -> str:
    """The address of a hub's server, with its port. Raises ValueError."""
    if not isinstance(text, str):
        raise ValueError(SERVER_EXAMPLE)
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, DEFAULT_PORT if parts.port is None else parts.port
    except ValueError:
        raise ValueError(SERVER_EXAMPLE) from None
    is_host = host and HOST.fullmatch(host) and port
    if parts.scheme not in SCHEMES or not is_host or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(SERVER_EXAMPLE)
    if parts.username or parts.password:
        raise ValueError(f"{SERVER_EXAMPLE}, without a login: credentials name a file with that")
    return f"{parts.scheme}://{f'[{host}]' if ':' in str(host) else host}:{port}"


def why_unsafe(access: HubAccess) -> str:
    """What makes the way to a hub unsafe that is on another machine; empty if nothing does."""
    if access.insecure or all(is_on_this_machine(server) for server in access.servers):
        return ""
    if not access.ca and not all(server.startswith("tls:") for server in access.servers):
        return "an eavesdropper could read all commands; use tls:// in servers"
    if not access.credentials:
        return "anyone could pass for any user; name credentials"
    return ""


def is_on_this_machine(server: str) -> bool:
    host = urlsplit(server).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Hub:
    """A connection to the hub, which is made anew for ever whenever it is lost."""

    def __init__(self, access: HubAccess, name: str, inbox: str, welcome: Callable[[Client], Awaitable[None]]) -> None:
        """`name` is shown by the hub's own tools, inboxes begin with `inbox`; `welcome` subscribes on a connection.

        Raises HubError if the hub must not be used, or if nats-py is missing.
        """
        if problem := why_unsafe(access):
            raise HubError(f"{access.name}: {problem}; say insecure only if you mean it")
        try:
            from nats.aio.client import Client
            from nats.errors import Error
        except ImportError:
            raise HubError("a fleet needs the package nats-py: pip install 'smanager-shell[fleet]'") from None
        logging.getLogger("asyncio").addFilter(is_news)
        self._new_client, self._error = Client, Error
        self._access = access
        self._options: dict[str, Any] = {
            "name": name,
            "inbox_prefix": inbox,
            "connect_timeout": CONNECT_SECONDS,
            # Not in nats-py's ways: one does not read credentials anew, the other waits for a frozen server's goodbye.
            "allow_reconnect": False,
            "max_reconnect_attempts": 1,
            "reconnect_time_wait": 0,
            "ping_interval": NEVER_SECONDS,
        }
        self._welcome = welcome
        self._client: Client | None = None
        self._is_connected = asyncio.Event()
        self._has_failed = asyncio.Event()  # whether all servers have been tried in vain
        self.problem = ""
        """Why there is no connection, or what the hub has refused."""

    @property
    def piece_limit(self) -> int:
        """Bytes of the longest message that the hub takes; 0 without a connection."""
        return self._client.max_payload if self._client else 0

    @property
    def server(self) -> str:
        """The server that the connection is to; empty without one."""
        return self._client.connected_url.netloc if self._client and self._client.connected_url else ""

    async def publish(self, subject: str, data: bytes, reply: str = "") -> None:
        """Send a message. Without a connection it is lost, as on its way: who misses an answer asks again."""
        if self._client:
            with suppress(self._error, OSError):
                await self._client.publish(subject, data, reply)

    async def connected(self, seconds: float) -> None:
        """Wait until there is a connection. Raises HubError with what is in the way, once no server has let it in."""
        waits = [asyncio.ensure_future(event.wait()) for event in (self._is_connected, self._has_failed)]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if not self._is_connected.is_set():
            problem = self.problem or f"{', '.join(self._access.servers)}: it does not answer"
            raise HubError(f"no hub: {problem}")

    async def run(self, changed: Callable[[], object] = lambda: None) -> None:
        """Keep connected until cancelled; `changed` is called when a connection was made, lost, or not made."""
        pause = FIRST_PAUSE
        while True:
            for server in random.sample(self._access.servers, len(self._access.servers)):
                began = time.monotonic()
                if await self._serve(server, changed):
                    if time.monotonic() - began >= STEADY_SECONDS:
                        pause = FIRST_PAUSE
                    break
            else:
                self._has_failed.set()
            # Chance keeps a thousand boxes from returning at the same moment.
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _serve(self, server: str, changed: Callable[[], object]) -> bool:
        """Connect to one server, and wait for the end of that; returns whether it has come to a connection."""
        closed = asyncio.Event()
        try:
            client = await self._connected_to(server, closed)
        except HubError as error:
            self.problem = str(error)
            changed()
            return False
        try:
            await self._welcome(client)
            self._client, self.problem = client, ""
            self._is_connected.set()
            changed()
            await self._watch(client, closed)
            self.problem = f"lost {server}"
        except Exception as error:  # of nats-py: the next attempt may do better
            self.problem = f"{server}: {_in_words(error)}"
            _drop(client)
        except asyncio.CancelledError:
            await _take_leave(client)
            raise
        finally:
            self._client = None
            self._is_connected.clear()
            await self._close(client)
        changed()
        return True

    async def _watch(self, client: Client, closed: asyncio.Event) -> None:
        """Wait for the end of a connection. Raises an error of nats-py if the hub does not answer any more."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(closed.wait(), LOOK_SECONDS)
                return
            await client.flush(LOOK_SECONDS)

    async def _close(self, client: Client) -> None:
        with suppress(Exception):  # the connection is given up, whatever nats-py meets in sending what is left
            await asyncio.wait_for(client.close(), CLOSE_SECONDS)
        _drop(client)  # nats-py keeps one whose server reads no more

    async def _connected_to(self, server: str, closed: asyncio.Event) -> Client:
        """Raises HubError."""
        errors: list[Exception] = []

        async def failed(error: Exception) -> None:
            errors[:] = [error]
            self.problem = f"{server}: {_in_words(error)}"

        async def ended() -> None:
            closed.set()

        client = self._new_client()
        try:
            options = {**self._options, **self._login(), **self._tls(server)}
            async with AsyncExitStack() as stack, asyncio.timeout(CONNECT_SECONDS):
                stack.push_async_callback(self._close, client)  # nats-py keeps the socket of a failed attempt
                await client.connect(server, error_cb=failed, closed_cb=ended, **options)
                self._require_safe(server, client, "tls" in options)
                stack.pop_all()
        except HubError:
            raise
        except Exception as error:  # nats-py lets through what packages below it raise
            raise HubError(f"{server}: {_in_words(errors[-1] if errors else error)}") from None
        return client

    def _require_safe(self, server: str, client: Client, with_tls: bool) -> None:
        """Raises HubError."""
        said = client._server_info  # nats-py has no public name for what the server has said of itself
        if with_tls and not said.get("tls_required"):  # as an attacker on the way can make it look
            raise HubError(f"{server}: it does not speak TLS, and should, since servers or ca ask for that")
        is_exposed = not self._access.insecure and not is_on_this_machine(server)
        if is_exposed and not said.get("auth_required"):
            raise HubError(f"{server}: it lets anyone in, who could pass for any user; give it users")

    def _login(self) -> dict[str, Any]:
        """Read anew for each connection: credentials may be replaced. Raises HubError."""
        if not (path := self._access.credentials):
            return {}
        try:
            text = secret(str(path), CREDENTIALS_LIMIT).decode("ascii", "replace")
        except OSError as error:
            raise HubError(f"{path}: {in_words(error)}; it should hold credentials for the hub") from None
        if CREDENTIALS_MARK in text:
            return {"user_credentials": str(path)}
        if not SEED.fullmatch(text.strip()):
            raise HubError(
                f"{path}: it should hold a user's seed, which is SU and 56 more letters, or NATS credentials"
            )
        return {"nkeys_seed_str": text.strip()}

    def _tls(self, server: str) -> dict[str, Any]:
        """Raises HubError."""
        if not server.startswith("tls:") and not self._access.ca:
            return {}
        try:
            return {"tls": ssl.create_default_context(cafile=self._access.ca)}
        except OSError as error:
            raise HubError(f"{self._access.ca}: {in_words(error)}; ca should be a file of certificates") from None


async def _take_leave(client: Client) -> None:
    """Wait until the server has taken all that was said, or drop that."""
    try:
        await client.flush(CLOSE_SECONDS)
    except Exception:  # of nats-py: there is no connection, or no answer in time
        _drop(client)


def _drop(client: Client) -> None:
    """End a connection at once, if it is still there, with all that the server has not been sent.

    Otherwise the system delivers that when the server, or the way to it, is back: after what was asked again meanwhile.
    """
    transport: Any = client._transport  # nats-py has no public name for that
    writer = transport and transport._bare_io_writer  # below TLS
    if writer and (connection := writer.get_extra_info("socket")) and connection.fileno() >= 0:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGERING)
        writer.transport.abort()


def _in_words(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{error.verify_message}; ca should name the hub's authority, and servers a name of its certificate"
    if isinstance(error, TimeoutError):
        return f"it does not answer within {CONNECT_SECONDS:g} s"
    if isinstance(error, BrokenPipeError | ConnectionResetError):  # as its reason then arrives, or is lost
        return UNKNOWN
    if isinstance(error, OSError):
        return os.strerror(error.errno).lower() if error.errno else in_words(error)  # asyncio words it in its own way
    text = str(error).removeprefix("nats: ").strip("'") or type(error).__name__
    return UNKNOWN if REFUSED in text.lower() else text


def is_news(record: logging.LogRecord) -> bool:
    """Whether a line of asyncio's log tells anything: it has one for each connection with TLS that a server ends."""
    return "eof_received" not in str(record.msg)
