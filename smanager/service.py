"""What the author of a service subclasses; there is nothing else to learn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, TypeVar


class SService:
    """A service: its `cmd_` methods are the commands that people, scripts and programs may give it.

    The first line of a method's docstring is its summary in lists. The words that a caller types are
    bound to the method's positional parameters. A `toplevel_cmd_` method also runs without the
    service's name. What a command returns is shown: a str as it is, nothing for None, and the items
    of an iterator one by one as they come. Every method may be `async`.

    Commands run in threads of the service's own process, several at once; `async` ones share one event
    loop there. Each start makes a new object of the class.

    How the service is kept up may be said by class attributes that have the names and values of the keys
    in `smanager.toml`, such as `needs = ["database"]` or `watchdog = 30`; that file has the last word.
    """

    name: str = ""
    """What people call the service; the class's name in lower case where it is empty."""

    options: Mapping[str, Any] = {}
    """What the configuration hands to the service: its `options`."""

    calls_ready: bool = False
    """Whether the service says with `ready` that it is ready; else it is when `start` has returned."""

    def start(self) -> object:
        """Called once, before the first command; an exception here means that the service has fallen."""
        return None

    def run(self) -> object:
        """The service's own long-running work, if it has any; it should return soon after `stop`.

        An exception here means that the service has fallen.
        """
        return None

    def stop(self) -> object:
        """Told to end: release what is held, and let `run` return."""
        return None

    def ready(self) -> None:
        """Say that the service is ready, where `calls_ready` promises it."""
        self._tell("ready")

    def alive(self) -> None:
        """Say that the work goes on; with a `watchdog` of so many seconds, whoever is silent for longer is hung."""
        self._tell("alive")

    # What the host puts its own in the place of.
    _given: Mapping[str, Any] = {}
    _tell: Callable[..., object] = staticmethod(lambda what, value=None: None)

    def _signal(self, number: int) -> None:
        """Send a signal to what it has outside its host's process, if anything."""


T = TypeVar("T")

VIEW, OPERATE, ADMIN = "view", "operate", "admin"
"""The roles that exist without being configured."""

SECRET = "smanager: not in the audit journal"
LINE = "smanager: the rest of the line"

Secret = Annotated[T, SECRET]
"""`password: Secret[str]` keeps an argument out of the audit journal."""

Line = Annotated[str, LINE]
"""`text: Line` takes the rest of the line as typed, quotes and all; no parameter but options may follow."""

NO_SHORT_FORMS: Mapping[str, str] = MappingProxyType({})

Method = TypeVar("Method", bound=Callable[..., object])


def command(
    *,
    timeout: float | None = None,
    exclusive: bool = False,
    hidden: bool = False,
    aliases: Sequence[str] = (),
    role: str = OPERATE,
    short: Mapping[str, str] = NO_SHORT_FORMS,
    abbreviated: bool = True,
    without_journal: bool = False,
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
        without_journal: the command may run where the audit journal is required and cannot be written; this counts for
            the manager's own commands only

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
            "without_journal": bool(without_journal),
        }
        method._short = dict(short)  # type: ignore[attr-defined]  # likewise
        return method

    return mark


@dataclass(frozen=True, slots=True)
class Progress:
    """What a command may yield, again and again, to say how far it is."""

    done: float
    total: float | None = None
    """None where nobody knows."""
    text: str = ""


class Finished(Exception):  # noqa: N818 - an end is no error
    """Raised by `run` where the service has come to its end by itself, unlike one that `run` only returns from."""

    def __init__(self, reason: str, clean: bool = True) -> None:
        """`reason` is what people read; `clean` says whether it is a success."""
        super().__init__(reason)
        self.clean = clean
