"""A command that runs: what its caller has asked for, and what has come of it so far."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Protocol

from smanager.access.audit import ARGUMENTS_LIMIT, cut, secrets_in, without_secrets
from smanager.access.callers import Caller
from smanager.access.origin import OriginKind
from smanager.commands.arguments import Arguments
from smanager.commands.record import Command, Failure
from smanager.commands.words import typed
from smanager.hosts.frames import to_json
from smanager.logs.held import HeldOutput, HeldValue, Piece, ReadPlace, cut_text
from smanager.logs.runs import Run
from smanager.system.moments import Moment

INTERNAL_ERROR = "internal error; the manager's log has more"


class Sink(Protocol):
    """Takes what a command returns: pieces of text, or a value whole, or each item that it yields; and its progress."""

    as_data: bool  # whether the caller wants values in place of text

    @property
    def columns(self) -> int:
        """The width of the window that tables are fitted to; 0 without one."""

    def text(self, value: Any) -> str:
        """What a script reads of a value."""

    def write(self, text: str) -> object: ...
    def value(self, value: Any) -> object: ...
    def item(self, value: Any) -> object: ...
    def progress(self, done: float, total: float | None, text: str) -> object: ...


class BoundCommand(NamedTuple):
    """A command with its arguments, the same whenever a caller gives it."""

    command: Command
    service: str  # empty for one of the manager's own commands
    arguments: Arguments
    caption: str  # the command's name in messages
    described: str = ""  # for the journal
    encoded: str = ""  # for the host: the service, the method, the arguments and the options, as JSON


class Invocation(NamedTuple):
    """How a caller runs a command."""

    bound: BoundCommand
    caller: Caller
    sink: Sink
    here: str = ""  # the service in whose shell the command was given
    kept: list[int] | None = None  # takes the run's number, for a requester who wants it kept
    is_repeated: bool = False  # whether the requester gives the command again and again

    @property
    def payload(self) -> bytes:
        """The payload of a CALL frame."""
        party, as_data = to_json(self.caller.party), "true" if self.sink.as_data else "false"
        return f"[{party},{self.bound.encoded},{as_data},{self.sink.columns}]".encode("ascii")


def ignore(failure: Failure | None) -> None:
    """The callback that is not set, or not to be called again."""


class Job:
    """One run of a command: `ended` tells the caller, once, that it is over; `gone`, that the method has really ended.

    A cancelled method may end later than its caller is told. Both are given None if all went well. Each command makes
    one, so what few need is an attribute of the class.
    """

    is_endless = False
    """Whether it goes on until its requester has seen enough."""
    gone: Callable[[Failure | None], object] = staticmethod(ignore)
    ended: Callable[[Failure | None], object] = staticmethod(ignore)
    room = 0  # characters of the output to hold; 0 for none
    held: HeldOutput | None = None  # once there has been output, but for the last
    returned: str | tuple[Any, ...] = ()  # text, or a value, at the end
    journal = 0  # the number in the audit journal; 0 if the command is not there
    number = 0  # once it is needed
    timer: asyncio.TimerHandle | None = None  # of the command's timeout
    is_detached = False
    seconds: float | None = None  # how long it took, once it has ended
    failure: str | None = None  # why it failed, if it did
    choice: bool | None = None
    """Whether the settings want the run kept; None if that depends on the run. Who looks again and again keeps none."""
    saved = -1  # pieces of output when the run was last saved
    due = 0.0  # age at which it is saved again, in seconds

    def __init__(self, invocation: Invocation) -> None:
        self.invocation = invocation
        self.command = invocation.bound.command
        self.service = invocation.bound.service
        self.caption = invocation.bound.caption
        self.caller = invocation.caller
        self.sink = invocation.sink
        self.since = Moment()

    @property
    def name(self) -> str:
        """The command, with its service."""
        return f"{self.service} {self.command.name}".lstrip()

    @property
    def is_wanted(self) -> bool:
        """Whether the requester wants the run kept."""
        return self.is_detached or self.invocation.kept is not None

    @property
    def is_followed_by_service(self) -> bool:
        """Whether a service watches something for as long as it likes, as that of an open web page does."""
        return self.is_endless and self.caller.origin.kind is OriginKind.SERVICE

    @property
    def secrets(self) -> list[str]:
        return secrets_in(self.command, self.invocation.bound.arguments)

    def is_shown_to(self, caller: Caller) -> bool:
        """Whether a caller may run such a command, or has given this one."""
        if self.service:
            return caller.permissions.allow_command(self.service, self.command)
        is_own = self.caller is caller or (caller.user and caller.user == self.caller.user)
        return bool(is_own) or caller.permissions.allow(self.command)

    def hold(self, piece: Piece, size: int) -> None:
        """Hold a piece of output of so many characters, which the caller has got."""
        if self.room:
            self.output().add(piece, size)

    def output(self) -> HeldOutput:
        if self.held is None:
            self.held = HeldOutput(self.room)
        return self.held

    def last_pieces(self) -> list[Piece]:
        """What the command returned at its end, which is not held: most commands return little, and at once."""
        if isinstance(self.returned, str):
            return [self.returned]
        return list(map(HeldValue, self.returned))

    def text(self, most: int) -> Callable[[], str]:
        """What makes the output's text, which may take long, of at most so many characters."""
        pieces = self.held.read(ReadPlace())[0] if self.held else self.last_pieces()
        goes_on = self.seconds is None
        return partial(cut_text, pieces, self.sink.text, most, self.secrets, goes_on)

    def run(self) -> Run:
        """What is known of the run so far."""
        command, caller, given = self.command, self.caller, self.invocation
        arguments = without_secrets(command, given.bound.arguments)
        about = None if self.service else command.about_services
        if about and given.here:
            arguments.setdefault(about.name, [given.here])
        withheld = ""
        if self.secrets:
            withheld = "it had a secret argument, which is not kept"
        elif len(json.dumps(arguments)) > ARGUMENTS_LIMIT:
            withheld = "its arguments were too long to be kept"
        return Run(
            id=self.number,
            service=self.service,
            command=command.name,
            role=command.role,
            line=cut(typed(self.name, command.parameters, arguments)),
            arguments=None if withheld else arguments,
            withheld=withheld,
            services=tuple(arguments.get(about.name, ())) if about else None,
            user=caller.user,
            origin=str(caller.origin),
            behalf=caller.behalf,
            roles=caller.permissions.roles,
            when=self.since.when,
            seconds=self.seconds,
            failure=self.failure,
        )

    def tell_caller(self, failure: Failure | None) -> None:
        ended, self.ended = self.ended, ignore
        ended(failure)
