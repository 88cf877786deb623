"""A session: a connection, the mode that reads its bytes, and what it runs for its caller."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from smanager.access.callers import Caller
from smanager.access.identities import Identities
from smanager.access.origin import Origin
from smanager.config.listener import ListenerSettings
from smanager.server.connection import Connection
from smanager.server.handshakes import Handshakes
from smanager.server.other_protocols import ProtocolCheck
from smanager.server.rpc.methods import Methods
from smanager.server.rpc.requests import Programs, is_request
from smanager.shells.interpreter import Interpreter
from smanager.shells.output import Output
from smanager.shells.root import Shells
from smanager.system.moments import Moment
from smanager.system.turns import Turns

ONE_WRITE = 64 * 1024  # bytes of a program's replies that are sent in one write

log = logging.getLogger("smanager")


class Phase(Enum):
    """How far a session has come."""

    CONNECTING = "the connection is being accepted or in its TLS handshake, and the session has no mode yet"
    IDENTIFYING = "a mode finds out who and what the client is"
    SERVING = "the session has a caller and an interpreter, and its mode feeds them lines"


class Mode(Protocol):
    """How a session treats its client's bytes; the session's phase is IDENTIFYING or SERVING."""

    def receive(self, data: bytes) -> None: ...
    def end_of_input(self) -> None: ...  # the client sends no more; what it has sent is still run
    def idle(self) -> None: ...  # what ran has ended
    def farewell(self, message: str) -> None: ...  # tell the client why the session ends, if it would be surprised


class Registry(Protocol):
    """The listener of a session: counts its sessions, and knows how their callers are identified."""

    settings: ListenerSettings
    shells: Shells
    identities: Identities
    tls: Handshakes | None

    def arrived(self, session: Session) -> bool: ...  # take a session in, or abort it; returns whether it is in
    def opened(self, session: Session) -> None: ...  # give it its first mode, and its caller if already known
    def settled(self, session: Session) -> None: ...  # its client is identified and has sent something
    def left(self, session: Session) -> None: ...


@dataclass(slots=True, eq=False, repr=False)
class Session:
    """What the parts of one session share; `number`, `peer`, `since` and `caller` are for the list of sessions too."""

    _registry: Registry
    connection: Connection = field(init=False)
    peer: Origin = field(init=False)
    settings: ListenerSettings = field(init=False)  # its listener's when it began
    mode: Mode = field(init=False)  # from the phase IDENTIFYING on
    interpreter: Interpreter = field(init=False)  # in the phase SERVING, as is `output`
    output: Output = field(init=False)
    phase: Phase = Phase.CONNECTING
    number: int = 0
    since: Moment = field(default_factory=Moment)
    caller: Caller | None = None
    programs: Programs | None = None
    _protocol_check: ProtocolCheck | None = field(default_factory=ProtocolCheck)
    _expiry: asyncio.TimerHandle | None = None

    def __post_init__(self) -> None:
        self.connection = Connection(self, self._registry.shells.manager.sockets)

    def arrived(self) -> Handshakes | None:
        self.peer = self.connection.origin
        self.settings = self._registry.settings
        return self._registry.tls if self._registry.arrived(self) else None

    def opened(self) -> None:
        self.phase = Phase.IDENTIFYING
        self._registry.opened(self)

    def mistrusted(self, reason: str) -> None:
        self._registry.identities.mistrusted(self.peer, reason)

    def received(self, data: bytes) -> None:
        if check := self._protocol_check:
            protocol = check.protocol_of(data)
            if check.is_done:
                self._protocol_check = None
            if protocol:  # a browser, or a TLS client at a port without TLS
                log.warning("%s: closed: the client speaks %s, and this listener does not", self.peer, protocol)
                self.connection.abort()
                return
        if self.caller:
            self._registry.settled(self)
        self.mode.receive(data)

    def ended(self) -> None:
        self.mode.end_of_input()

    def pause(self) -> None:
        if self.phase is not Phase.SERVING:  # no client needs that long to read a login prompt
            self.connection.abort()
            return
        self.interpreter.pause()
        if self.programs:
            self.programs.pause()

    def resume(self) -> None:
        if self.phase is Phase.SERVING:
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

    @property
    def turns(self) -> Turns:
        return self._registry.shells.turns

    @property
    def party(self) -> str:
        """Whose turn it is when the session's commands run."""
        return self.caller.party if self.caller else self.peer.network

    async def by_password(self, name: str, password: str) -> Caller | None:
        settings = self.settings
        return await self._registry.identities.by_password(
            name, password, self.peer, settings.name, settings.given_roles, lambda: not self.connection.finishing
        )

    async def by_token(self, token: str) -> Caller | None:
        return await self._registry.identities.by_token(token, self.peer, self.settings.given_roles)

    def disbelieve(self, caller: Caller, behalf: str) -> None:
        self._registry.identities.disbelieved(caller, behalf, self.settings.name)

    def admit(self, caller: Caller) -> None:
        self.caller = caller
        if self._expiry:
            self._expiry.cancel()
        if (seconds := caller.expires_in()) is not None:
            self._expiry = self.connection.loop.call_later(seconds, self.farewell, "your token has expired")
        self._registry.settled(self)

    # What its mode calls.

    def interpret(self, output: Output, person: bool) -> None:
        """Enter the phase SERVING: lines are run for the session's caller, and print to `output`."""
        assert self.caller
        self.output = output
        self.interpreter = Interpreter(self._registry.shells, output, self.idle, person, self.caller)
        self.phase = Phase.SERVING
        if self.settings.only_programs:
            self._serve_programs()

    def accept(self, line: str) -> bool:
        """Run a line of commands, or a program's request; returns whether the next line may come."""
        is_theirs = is_request(line) or (self.programs is not None and self.programs.awaits(line))
        if not is_theirs and not self.settings.only_programs:
            return self.interpreter.feed(line)
        programs = self._serve_programs()
        programs.receive(line)
        return not programs.full

    def _serve_programs(self) -> Programs:
        if self.programs is None:
            assert self.caller
            methods = Methods(self._registry.shells, self.caller)
            self.programs = Programs(methods, self.turns, self.party, self._reply, self.idle)
        return self.programs

    @property
    def busy(self) -> bool:
        """Whether the next line has to wait."""
        return self.interpreter.busy or (self.programs is not None and self.programs.full)

    def interrupt(self) -> bool:
        """Cancel what runs; returns whether anything did."""
        running = self.programs if self.programs and self.programs.busy else self.interpreter
        was_busy = running.busy
        running.cancel()
        return was_busy

    def idle(self) -> None:
        """Let the mode go on after a command or a request has ended."""
        if not self.connection.finishing and not self.interpreter.busy:
            self.mode.idle()

    def _reply(self, line: str) -> None:
        self.output.write(line + "\n")
        if self.connection.waiting > ONE_WRITE:
            self.connection.flush()  # shows whether the client reads, before the next reply is made

    # What the manager's commands use.

    def farewell(self, message: str) -> None:
        """End the session, and what its caller runs, with a last word to the client."""
        if self.connection.finishing:
            return
        if self.phase is Phase.CONNECTING:  # no text can be sent in a TLS handshake
            self.connection.abort()
            return
        self.mode.farewell(message)
        self.connection.finish()
        self._end_commands()
        if caller := self.caller:  # detached commands too
            self._registry.shells.manager.jobs.end_those(lambda job: job.caller is caller, "its session was ended")

    def _end_commands(self) -> None:
        if self.phase is Phase.SERVING:
            self.interpreter.close()
        if self.programs:
            self.programs.cancel()

    @property
    def kind(self) -> str:
        """`program`, `person` or `script`."""
        if self.programs:
            return "program"
        return "person" if self.phase is Phase.SERVING and self.interpreter.is_person else "script"

    @property
    def doing(self) -> str:
        """The command that runs; empty if none does."""
        if self.programs and (count := self.programs.count):
            return f"{count} request{'s' * (count > 1)}"
        return self.interpreter.doing if self.phase is Phase.SERVING else ""

    def tell(self, text: str) -> None:
        """Show a person some lines; scripts and programs get none."""
        if self.kind == "person" and not self.connection.finishing:
            self.interpreter.announce(text)
