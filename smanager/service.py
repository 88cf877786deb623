"""What the author of a service subclasses and imports; there is nothing else to learn."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple, TypeVar


class ManagerError(Exception):
    """The manager refuses what a service asks, or the command that it asked for has failed; the text says why."""

    def __init__(self, message: str, code: int = 0, data: object = None) -> None:
        """`code` and `data` are those of the error in JSON-RPC; the code is 0 if the manager has not answered."""
        super().__init__(message)
        self.code = code
        self.data = data


class CallerError(Exception):
    """Raised by a command that cannot do what its caller wants; the caller reads just the text, and no log has it."""


class CommandCaller(NamedTuple):
    """Who gave the command that runs."""

    name: str
    """The user, or without a login where the caller is."""
    call: int
    """Identifies the call, as long as it runs."""


class ManagerClient:
    """What a service may ask the manager: every command, by its name and with the results that programs get.

    The service's own permissions are those of the `roles` in its settings; by default it has none. Parameters are
    given all by position or all by name, and are JSON values. All methods raise ManagerError if the command fails.
    """

    def call(self, method: str, /, *arguments: object, **options: object) -> Any:
        """Run a command, such as `call("status", services=["web*"])` or `call("web.visitors")`; return its result."""
        raise ManagerError("a service can ask the manager once it has been started")

    def stream(self, method: str, /, *arguments: object, **options: object) -> Iterator[Any]:
        """Run a command; iterate over what it yields. The stream ends when the service is told to stop."""
        raise ManagerError("a service can ask the manager once it has been started")

    async def call_async(self, method: str, /, *arguments: object, **options: object) -> Any:
        """`call` for `async` methods."""
        return self.call(method, *arguments, **options)

    def stream_async(self, method: str, /, *arguments: object, **options: object) -> AsyncIterator[Any]:
        """`stream` for `async` methods."""
        raise ManagerError("a service can ask the manager once it has been started")

    def follow_async(
        self, method: str, params: Mapping[str, object] | Sequence[object] = ()
    ) -> AsyncGenerator[tuple[str, Any], None]:
        """Run a command; iterate over all that comes of it, for `async` methods.

        Each is `("item", value)`, `("progress", {"done": …, "total": …, "text": …})`, or, at last, `("result", value)`,
        which is missing if the service is told to stop.
        """
        raise ManagerError("a service can ask the manager once it has been started")

    def events(self, *services: str) -> Iterator[Any]:
        """Iterate over what happens to services from now on: to these, or to all that the service may see."""
        return self.stream("events", services=services, follow=True, count=0)

    def events_async(self, *services: str) -> AsyncIterator[Any]:
        """`events` for `async` methods."""
        return self.stream_async("events", services=services, follow=True, count=0)

    def as_caller(self, caller: CommandCaller) -> ManagerClient:
        """The manager as this caller may use it, while the caller's command runs."""
        return self

    def acting_as(self, name: str) -> ManagerClient:
        """The manager with the roles, in place of the service's own, that its `roles_as` gives this name."""
        return self

    async def log_in_async(self, host: str, **proof: object) -> Visitor:
        """Have the manager log a user in whose client is at an IP address; return the manager as that user may use it.

        The proof is a `user` and a `password`, a `token`, or the names in a `certificate` that the service has checked.
        Failures count where the manager's own do. Raises ManagerError, also where `logs_in` does not name the proof.
        """
        raise ManagerError("a service can ask the manager once it has been started")

    @property
    def caller(self) -> CommandCaller | None:
        """Who gave the command that runs here; None outside of commands."""
        return None


EVENT_LIMIT = 4000  # characters of each part of a reported event that are sent; the manager keeps fewer

OWN_KINDS = {
    *("starting", "running", "backoff", "failed", "hung", "stopping", "stopped", "done"),
    *("restarted", "removed", "login blocked"),
}
"""Kinds of the manager's own events: the state that a service has entered, and some more."""


class Visitor(ManagerClient):
    """The manager as a user may use it who has logged in through a service, as long as that lasts."""

    user: str = ""
    """The user's name."""

    roles: Sequence[str] = ()

    ended: str = ""
    """Why the user has been logged out; empty before."""

    def log_out(self) -> None:
        """End what runs for the user, and the login; both end with the service as well."""


class SService:
    """A service: its `cmd_` methods are the commands that people, scripts and programs may give it.

    The first line of a method's docstring is the command's summary in lists. The words that a caller types become the
    method's arguments, converted as the parameters' annotations say. A `toplevel_cmd_` method also runs without the
    service's name before it. A `complete_NAME(text, line, begidx, endidx)` method returns the words that Tab offers
    for the command NAME.

    Callers see what a command returns: a str as it is, nothing for None, a table for a list of dataclasses, named
    tuples or mappings, and the items of an iterator one by one as they come. An exception reaches the caller as one
    line, and the log as a traceback. Every method may be `async`.

    Plain commands run in threads of the service's own process, several at once; `async` ones share one event loop
    there. Each start of the service makes a new object of the class. What the service prints goes to its log.

    Class attributes may say how the service is kept up, with the names and values of the keys in `smanager.toml`, such
    as `needs = ["database"]` or `watchdog = 30`; that file has the last word.
    """

    name: str = ""
    """The service's name for callers; empty for the class's name in lower case."""

    options: Mapping[str, Any] = {}
    """The service's `options` from the configuration."""

    roles: Sequence[str] = ()
    """Roles that decide what the service may ask the manager."""

    manager: ManagerClient = ManagerClient()
    """What the service may ask the manager."""

    state_dir: Path | None = None
    """A directory of the service's own for what has to outlive it, which the service makes; None if nothing is kept."""

    calls_ready: bool = False
    """Whether the service calls `ready` when it is ready; otherwise it is ready when `start` has returned."""

    def start(self) -> object:
        """Prepare the service; called once, before the first command. An exception means that the start has failed."""

    def run(self) -> object:
        """Do the service's own long-running work, if any, and return soon after `stop` was called.

        A service whose `run` has returned keeps serving commands. An exception means that the service has failed.
        """

    def stop(self) -> object:
        """End the service: release what it holds, and let `run` return. Called in another thread than `run`."""

    @property
    def caller(self) -> CommandCaller | None:
        """Who gave the command that runs here; None outside of commands."""
        return self.manager.caller

    def ready(self) -> None:
        """Report that the service is ready; a service with `calls_ready` has to call this."""
        self._tell("ready")

    def alive(self) -> None:
        """Report that `run` makes progress; silence for longer than `watchdog` seconds means that the service hangs."""
        self._tell("alive")

    def event(self, kind: str, text: str, *, about: str = "", over: bool | None = None) -> None:
        """Report an event: `events` shows it, and alerts may tell of it.

        Args:
            kind: a few words, the same for all events of the kind, such as "queue full"
            text: what has happened, in one line
            about: which of the things that the service has, such as a queue's name
            over: False for the begin of something that lasts, and True for its end

        Raises ValueError for a kind that is one of the manager's own, or not a text, and for another `over`.
        """
        if not isinstance(kind, str) or " ".join(kind.split()) in {"", *OWN_KINDS}:
            raise ValueError(f"kind is {kind!r}, and should be a few words that are not a kind of the manager's own")
        if over is not None and not isinstance(over, bool):
            raise ValueError(f"over is {over!r}, and should be True, False or None")
        texts = (str(part)[:EVENT_LIMIT] for part in (kind, text, about))
        self._tell("event", (*texts, over))

    def metric(
        self,
        name: str,
        value: float,
        help: str = "",  # noqa: A002 - as in the text that Prometheus reads
        kind: str = "gauge",
        labels: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Tell a number that is the service's own, such as `metric("queue_length", 3, help="Orders that wait")`.

        The latest value counts, until the service ends. The command `metrics` shows it with the label `service`.

        Args:
            name: letters, digits and underscores, with the unit at the end, such as `backup_size_bytes`
            value: the number; of a counter, all that has been counted so far
            help: what the number means, in a line
            kind: `gauge` for what goes up and down, `counter` for what only grows
            labels: what tells this number from others of its name, such as `{"queue": "orders"}`

        Raises ValueError or TypeError for anything else.
        """
        self._tell("metric", (name, value, help, kind, labels))

    # The host sets or overrides these.
    _mark: int = 0
    _ends_descendants: bool = False
    _killed: str = ""
    _given: Mapping[str, Any] = {}
    _tell: Callable[..., object] = staticmethod(lambda what, value=None: None)

    def _signal(self, number: int) -> None:
        """Send a signal to the service's own process outside its host, if it has one."""


T = TypeVar("T")

VIEW, OPERATE, ADMIN = "view", "operate", "admin"
"""The roles that exist without being configured."""

SECRET = "smanager: not in the audit journal"
LINE = "smanager: the rest of the line"

Secret = Annotated[T, SECRET]
"""An annotation that keeps an argument out of the audit journal: `password: Secret[str]`."""

Line = Annotated[str, LINE]
"""`text: Line` takes the rest of the line as typed, quotes and all; no parameter but options may follow."""

Method = TypeVar("Method", bound=Callable[..., object])


def command(
    *,
    timeout: float | None = None,
    exclusive: bool = False,
    hidden: bool = False,
    aliases: Sequence[str] = (),
    role: str = OPERATE,
    short: Mapping[str, str] = MappingProxyType({}),
    abbreviated: bool = True,
    default: bool = False,
    without_journal: bool = False,
    journaled: bool = True,
    root_only: bool = False,
    kept: bool | None = None,
    read_only: bool | None = None,
) -> Callable[[Method], Method]:
    """Say of a `cmd_` method what its signature cannot.

    Args:
        timeout: seconds after which the command is ended
        exclusive: the command never runs twice at a time
        hidden: no list shows the command
        aliases: other names for the command
        role: the role that callers need: `view`, `operate`, `admin`, or one from the configuration
        short: letters for options, such as `{"count": "n"}` for `-n` beside `--count`
        abbreviated: a person may cut the name short at a prompt
        default: the service's name alone runs the command, rather than enter the service's shell
        kept: whether `runs` keeps the command's runs: each of them, none, or by default those that matter
        read_only: the command changes nothing, by default if its role is `view`; an assistant may then run it unasked
        without_journal: the command may run where the audit journal is required and cannot be written
        journaled: the audit journal has the command, unless that is for programs which give it again and again
        root_only: the command is not in the shells of services, where its name could be mistaken

    `without_journal`, `journaled` and `root_only` count for the manager's own commands only.

    Raises ValueError or TypeError for other values.
    """
    if timeout is not None and not timeout > 0:
        raise ValueError(f"timeout is {timeout!r}, and should be a number of seconds above 0")
    if isinstance(aliases, str) or not all(isinstance(name, str) and name.isidentifier() for name in aliases):
        raise ValueError(f"aliases is {aliases!r}, and should be a list of names")
    if not isinstance(role, str) or not role:
        raise ValueError(f"role is {role!r}, and should be the name of a role")
    if not all(len(letter) == 1 and letter.isalpha() and letter.isascii() for letter in short.values()):
        raise ValueError(f"short is {short!r}, and should be a table of letters such as {{'count': 'n'}}")

    def mark(method: Method) -> Method:
        method._command = {  # type: ignore[attr-defined]  # where `describe` looks
            "timeout": timeout,
            "exclusive": bool(exclusive),
            "hidden": bool(hidden),
            "aliases": tuple(aliases),
            "role": role,
            "abbreviated": bool(abbreviated),
            "default": bool(default),
            "without_journal": bool(without_journal),
            "journaled": bool(journaled),
            "root_only": bool(root_only),
            "kept": None if kept is None else bool(kept),
            "read_only": None if read_only is None else bool(read_only),
        }
        method._short = dict(short)  # type: ignore[attr-defined]  # likewise
        return method

    return mark


@dataclass(frozen=True, slots=True)
class Progress:
    """What a command may yield, again and again, to report its progress."""

    done: float
    """How much is done, in any unit."""
    total: float | None = None
    """How much there is to do, in the same unit; None if that is unknown."""
    text: str = ""
    """What the command is doing now."""


class Finished(Exception):  # noqa: N818 - an end is not an error
    """Raised by `start` or `run` when the service itself has ended; a `run` that returns leaves the service running."""

    def __init__(self, reason: str, clean: bool = True) -> None:
        """`reason` is shown to people; `clean` says whether the end is a success."""
        super().__init__(reason)
        self.clean = clean
