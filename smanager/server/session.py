"""A session: whose it is, which mode reads it and shows what is printed, and what it runs."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Protocol

from smanager.access.callers import Caller
from smanager.access.identities import Identities
from smanager.config.listener import ListenerSettings
from smanager.server.connection import Connection
from smanager.server.other_protocols import FirstLook
from smanager.server.rpc.methods import Methods
from smanager.server.rpc.requests import Programs, is_request
from smanager.shells.interpreter import Interpreter
from smanager.shells.printer import Output
from smanager.shells.root import Shells

ONE_WRITE = 64 * 1024
"""Bytes of a program's replies that are sent in one write."""


log = logging.getLogger("smanager")


class Mode(Protocol):
    """What a session is: how it reads its client's bytes, and shows what shells print."""

    def receive(self, data: bytes) -> None: ...

    def end_of_input(self) -> None: ...

    def write(self, text: str) -> None: ...

    @property
    def columns(self) -> int: ...

    def progress(self, text: str) -> None: ...

    def redraw(self, text: str) -> None: ...

    def idle(self) -> None: ...

    def farewell(self, message: str) -> None: ...


class Unoccupied:
    """What modes share in which no command runs yet."""

    columns = 0

    def write(self, text: str) -> None:
        """Nothing is printed."""

    def progress(self, text: str) -> None:
        """Nothing runs."""

    def redraw(self, text: str) -> None:
        """Nothing runs."""

    def idle(self) -> None:
        """Nothing runs."""

    def farewell(self, message: str) -> None:
        """Nothing has been said that a word would end."""


class Registry(Protocol):
    """Who keeps count of the sessions, and knows who may be behind them."""

    settings: ListenerSettings
    shells: Shells
    identities: Identities
    tls: ssl.SSLContext | None

    def arrived(self, session: Session) -> bool: ...

    def caller_of(self, session: Session) -> Caller | None: ...

    def settled(self, session: Session) -> None: ...

    def left(self, session: Session) -> None: ...


class Session(Connection):
    """What a connection is taken for; the rest is its mode's."""

    __slots__ = (
        "_expiry",
        "_first_look",
        "_opening",
        "_registry",
        "_silent",
        "caller",
        "interpreter",
        "mode",
        "number",
        "programs",
    )

    interpreter: Interpreter
    mode: Mode

    def __init__(self, registry: Registry, opening: Callable[[Session], None]) -> None:
        """`opening` gives it its first mode."""
        super().__init__()
        self._registry = registry
        self._opening = opening
        self._silent = True
        self._first_look: FirstLook | None = FirstLook()
        self.programs: Programs | None = None
        self.caller: Caller | None = None
        self.number = 0
        self._expiry: asyncio.TimerHandle | None = None

    # What its connection tells.

    def arrived(self) -> ssl.SSLContext | None:
        return self._registry.tls if self._registry.arrived(self) else None

    def opened(self) -> None:
        self.caller = self._registry.caller_of(self)
        self._opening(self)

    def mistrusted(self, reason: str) -> None:
        self._registry.identities.mistrusted(self.peer, reason)

    def received(self, data: bytes) -> None:
        if self._first_look and self._is_foreign(self._first_look, data):
            return
        if self._silent and self.caller:
            self._silent = False
            self._registry.settled(self)
        self.mode.receive(data)

    def _is_foreign(self, first_look: FirstLook, data: bytes) -> bool:
        """Close where a browser, or a TLS client, has come to the wrong port."""
        protocol = first_look.foreigner(data)
        if first_look.over:
            self._first_look = None
        if protocol:
            log.warning("%s: closed, for it speaks %s, and nobody here does", self.peer, protocol)
            self.abort()
        return bool(protocol)

    def ended(self) -> None:
        self.mode.end_of_input()

    def pause(self) -> None:
        if not hasattr(self, "interpreter"):  # nobody needs that long for a prompt
            self.abort()
            return
        self.interpreter.pause()
        if self.programs:
            self.programs.pause()

    def resume(self) -> None:
        if not hasattr(self, "interpreter"):
            return
        self.interpreter.resume()
        if self.programs:
            self.programs.resume()

    def lost(self) -> None:
        self._registry.left(self)
        self._end_commands()
        if self.caller:
            self._registry.shells.manager.jobs.left_by(self.caller)
        if self._expiry:
            self._expiry.cancel()

    # Whose it is.

    @property
    def settings(self) -> ListenerSettings:
        """What holds where it has connected."""
        return self._registry.settings

    async def by_password(self, name: str, password: str) -> Caller | None:
        """Who that is."""
        settings = self.settings
        return await self._registry.identities.by_password(
            name, password, self.peer, settings.name, settings.given_roles, lambda: not self.finishing
        )

    async def by_token(self, token: str) -> Caller | None:
        """Whose token that is."""
        return await self._registry.identities.by_token(token, self.peer, self.settings.given_roles)

    def admit(self, caller: Caller) -> None:
        """Take it for this caller's from here on."""
        self.caller = caller
        if self._expiry:
            self._expiry.cancel()
        if (left := caller.expires_in()) is not None:
            self._expiry = self.loop.call_later(left, self.farewell, "your token has expired")
        self._silent = False
        self._registry.settled(self)

    # What modes call.

    def interpret(self, stdout: Output, person: bool) -> None:
        """Have the session's lines run from here on. It has a caller."""
        assert self.caller
        if self.settings.only_programs:
            self._serve_programs()
        self.interpreter = Interpreter(self._registry.shells, stdout, self.idle, person, self.caller)

    def accept(self, line: str) -> bool:
        """Run a line, whether a person's, a script's or a program's request; whether that is done."""
        if not is_request(line) and not self.settings.only_programs:
            return self.interpreter.feed(line)
        programs = self._serve_programs()
        programs.receive(line)
        return not programs.full  # else the next line need not wait for the answer

    def _serve_programs(self) -> Programs:
        if self.programs is None:
            assert self.caller
            self.programs = Programs(Methods(self._registry.shells, self.caller), self._reply, self.idle)
        return self.programs

    @property
    def busy(self) -> bool:
        """Whether the next line has to wait."""
        return self.interpreter.busy or (self.programs is not None and self.programs.full)

    def interrupt(self) -> bool:
        """End what runs; whether anything did."""
        if self.programs and self.programs.busy:
            self.programs.cancel()
            return True
        if self.interpreter.busy:
            self.interpreter.cancel()
            return True
        return False

    @property
    def columns(self) -> int:
        return self.mode.columns

    def progress(self, text: str) -> None:
        self.mode.progress(text)

    def redraw(self, text: str) -> None:
        self.mode.redraw(text)

    def write(self, text: str) -> None:
        """Show what a shell prints, as the mode does that is on now."""
        self.mode.write(text)

    def idle(self) -> None:
        """What ran has ended."""
        if not self.finishing and not self.interpreter.busy:
            self.mode.idle()

    def _reply(self, line: str) -> None:
        self.mode.write(line + "\n")
        if self.waiting > ONE_WRITE:
            self.flush()  # so that it is known whether the client reads before the next one is made

    # What others may know of it.

    def farewell(self, message: str) -> None:
        """Say a last word, finish, and end what it runs."""
        if self.finishing:
            return
        if not hasattr(self, "mode"):  # it is in TLS's handshake, and takes no words
            self.abort()
            return
        self.mode.farewell(message)
        self.finish()
        self._end_commands()
        if caller := self.caller:  # also what was detached
            self._registry.shells.manager.jobs.end_those(lambda job: job.caller is caller, "its session was ended")

    def _end_commands(self) -> None:
        """End what runs, and what waits to be run."""
        if hasattr(self, "interpreter"):
            self.interpreter.close()
        if self.programs:
            self.programs.cancel()

    @property
    def kind(self) -> str:
        """What it is, for who looks at all of them."""
        if self.programs:
            return "program"
        return "person" if hasattr(self, "interpreter") and self.interpreter.is_person else "script"

    @property
    def doing(self) -> str:
        """The command that it runs, if it runs one."""
        if self.programs and self.programs.busy:
            return f"{self.programs.count} requests"
        return self.interpreter.doing if hasattr(self, "interpreter") else ""

    def tell(self, text: str) -> None:
        """Show some lines, where a person looks."""
        if self.kind == "person" and not self.finishing:
            self.interpreter.announce(text)
