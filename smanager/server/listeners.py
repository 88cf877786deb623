"""All listeners: opened and closed together, each with a budget of sessions."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields

from smanager.access.identities import Identities
from smanager.config.file import ConfigError, collected
from smanager.config.listener import ListenerSettings, with_passed
from smanager.server.acceptor import ACCEPTS_A_TURN
from smanager.server.listener import MOST_TURNED_AWAY, Listener, context_of
from smanager.server.session import Session
from smanager.server.unixsocket import ids_of
from smanager.shells.root import Shells
from smanager.supervision.reports import ChangeReport, Notice, Tell
from smanager.system.open_files import raise_limit

RESERVED_DESCRIPTORS = 96  # file descriptors kept for files, and for the first hosts
DESCRIPTORS_A_HOST = 4  # its socket pair, its output and its end, and one more while it is started

FAREWELL_SECONDS = 1.5
"""How long clients may take to read their last words when the server ends; a drain takes one second."""

log = logging.getLogger("smanager")


class Listeners:
    """The configured listeners."""

    def __init__(
        self, settings: Sequence[ListenerSettings], passed: Mapping[str, Sequence[socket.socket]] | None = None
    ) -> None:
        """`passed` are systemd's sockets by name."""
        self._passed = dict(passed or {})
        self._descriptors = raise_limit()
        self._hosts = 0
        self._turned_away: set[Session] = set()
        self._all = [self._listener(one) for one in with_passed(settings, self._passed)]
        self._gone: list[Listener] = []  # closed by a reload, with sessions that go on
        self.share_out(hosts=0)

    def share_out(self, hosts: int) -> None:
        """Let each listener have as many sessions as the limit on open files allows beside so many hosts."""
        self._hosts = hosts
        others = RESERVED_DESCRIPTORS + DESCRIPTORS_A_HOST * hosts + MOST_TURNED_AWAY + ACCEPTS_A_TURN * len(self._all)
        shares = budgets([one.settings for one in self._all], self._descriptors - others)
        for listener, share in zip(self._all, shares, strict=True):
            listener.most_sessions = share

    async def open(self) -> None:
        """Bind all or none, but for that of `smanager attach`, which a manager can do without. Raises ConfigError."""
        try:
            for listener in self._all:
                await self._open(listener)
        except BaseException:
            for listener in self._all:
                listener.close()
            raise

    @property
    def addresses(self) -> str:
        """Where clients can connect, for people."""
        return ", ".join(text for one in self._all if not one.settings.is_own for text in one.addresses)

    def serve(self, shells: Shells, identities: Identities) -> None:
        """Accept clients. Raises ConfigError if another process has begun to listen meanwhile."""
        self._shells, self._identities = shells, identities
        for listener in self._all:
            if listener.most_sessions < (wanted := listener.settings.max_sessions):
                message = "%s: max_sessions is %d; the limit on open files allows %d here (see ulimit -n)"
                log.warning(message, listener.settings.place, wanted, listener.most_sessions)
            listener.serve(shells, identities)

    async def close(self, message: str) -> None:
        """Stop listening, and end all sessions with `message`."""
        everyone = [*self._all, *self._gone]
        sessions = [session for listener in everyone for session in listener.close()]
        for session in sessions:
            session.farewell(message)
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_SECONDS):
                for listener in everyone:
                    await listener.emptied()
        for session in sessions:
            session.connection.abort()

    async def prepare(self, settings: Sequence[ListenerSettings]) -> ListenerChanges:
        """What makes the listeners those of another configuration: the new ones are bound, and do not accept yet."""
        wanted = [*with_passed(settings, self._passed), *(one.settings for one in self._all if one.settings.is_own)]
        changes = ListenerChanges(kept_and_new(self._all, wanted, self._listener))
        leaving = [one for one in self._all if one not in changes.all]
        taken = {one.settings.tcp[1] for one in leaving if one.settings.tcp}
        for listener, now in zip(changes.all, wanted, strict=True):
            with collected(changes.problems):
                if listener in self._all:
                    changes.change(listener, now)
                elif now.tcp and now.tcp[1] in taken:  # a port serves one address and all addresses only in turn
                    await listener.check()
                    changes.deferred.append(listener)
                else:
                    await self._open(listener)
                    changes.opened += [listener] if listener.is_reachable else []
        changes.gone = leaving
        return changes

    async def apply(self, changes: ListenerChanges, tell: Tell) -> dict[Session, str]:
        """Make prepared changes; returns the sessions that should end, each with the reason."""
        ending = changes.use()
        before, self._all = self._all, list(changes.all)
        for listener in changes.gone:
            ending |= dict.fromkeys(listener.close(), "this listener is closed")
            self._passed.pop(listener.settings.systemd or "", None)
        self._gone = [one for one in [*self._gone, *changes.gone] if one.sessions]
        for listener in changes.deferred:
            await self._take_turn(listener, changes.gone, tell)
        for listener in self._all:
            if listener not in before:
                with told(tell):
                    listener.serve(self._shells, self._identities)
        self.share_out(self._hosts)
        return ending

    async def _take_turn(self, listener: Listener, gone: Sequence[Listener], tell: Tell) -> None:
        """Open a listener on the port of others, which are closed by now, or if that fails, open these again."""
        assert listener.settings.tcp
        port = listener.settings.tcp[1]
        try:
            await listener.open(self._passed)
        except ConfigError as error:
            tell(Notice(f"*** {error}"))
            listener.close()
            self._all.remove(listener)
            for again in [
                self._listener(one.settings) for one in gone if one.settings.tcp and one.settings.tcp[1] == port
            ]:
                with told(tell):
                    await again.open(self._passed)
                    self._all.append(again)

    def _listener(self, settings: ListenerSettings) -> Listener:
        return Listener(settings, self._turned_away)

    async def _open(self, listener: Listener) -> None:
        try:
            await listener.open(self._passed)
        except ConfigError as error:
            if not listener.settings.is_own:
                raise
            log.warning("`smanager attach` is not possible: %s", error)


@dataclass(slots=True)
class ListenerChanges:
    """Changes of the listeners that are prepared, and are applied or dropped as a whole."""

    all: list[Listener]  # as they will be
    opened: list[Listener] = field(default_factory=list)
    deferred: list[Listener] = field(default_factory=list)  # can be opened only once another one is closed
    gone: list[Listener] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    _changed: list[tuple[Listener, ListenerSettings, Callable[[], None]]] = field(default_factory=list)

    def change(self, listener: Listener, now: ListenerSettings) -> None:
        """Prepare other settings of an open listener. Raises ConfigError."""
        if use := listener.prepare(now):
            self._changed.append((listener, now, use))

    def reports(self) -> Iterator[ChangeReport]:
        for listener in self.gone:
            yield ChangeReport("close", f"listeners.{listener.settings.name}", f"{listener.settings.place} is gone")
        for listener in self.all:
            if listener in self.opened or listener in self.deferred:
                place = ", ".join(listener.addresses) or listener.settings.place
                yield ChangeReport("open", f"listeners.{listener.settings.name}", f"{place} is new")
        for listener, now, _ in self._changed:
            keys = [one.name for one in fields(now) if getattr(now, one.name) != getattr(listener.settings, one.name)]
            reason = f"other {', '.join(keys)}" if keys else "its certificates have changed"
            yield ChangeReport("change", f"listeners.{now.name}", reason)

    def use(self) -> dict[Session, str]:
        """Apply other settings; returns the sessions that these would not have let in, each with the reason."""
        ending: dict[Session, str] = {}
        for listener, _, use in self._changed:
            use()
            ending |= dict.fromkeys(listener.unwanted(), "this listener has changed: connect again")
        return ending

    def drop(self) -> None:
        for listener in self.opened:
            listener.close()


@contextmanager
def told(tell: Tell) -> Iterator[None]:
    """Tell of a ConfigError that ends the block: there is no way back."""
    try:
        yield
    except ConfigError as error:
        tell(Notice(f"*** {error}"))


def kept_and_new(
    present: Sequence[Listener], wanted: Sequence[ListenerSettings], make: Callable[[ListenerSettings], Listener]
) -> list[Listener]:
    """A listener for each of the wanted settings: the one whose socket it is, or a new one."""
    sockets = {one.settings.socket: one for one in present if one.is_reachable}
    return [sockets.get(one.socket) or make(one) for one in wanted]


def problems_of(settings: Sequence[ListenerSettings]) -> list[str]:
    """What is wrong with the certificates and accounts of listeners that are not open."""
    problems: list[str] = []
    for one in settings:
        with collected(problems):
            ids_of(one)
        if one.tls:
            with collected(problems):
                context_of(one.name, one.tls)
    return problems


def budgets(settings: Sequence[ListenerSettings], available: int) -> list[int]:
    """The sessions that each listener may have: as configured, or an equal share of the available descriptors."""
    shares: dict[int, int] = {}
    for index, one in sorted(enumerate(settings), key=lambda pair: pair[1].max_sessions):
        fair = (available - sum(shares.values())) // (len(settings) - len(shares))
        shares[index] = max(1, min(one.max_sessions, fair))
    return [shares[index] for index in range(len(settings))]
