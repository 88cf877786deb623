"""How one service is kept up: the settings that `smanager.toml` and a service's class may give, checked.

Each key has one checker, which returns the value or says what would be right.
"""

from __future__ import annotations

import re
import resource
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from smanager.config.policy import Policy, Restart
from smanager.terminal.text import resembling

T = TypeVar("T")

LONGEST = 366 * 24 * 3600.0
"""Seconds; a longer time than a year is a slip of the finger."""


class SettingsError(Exception):
    """A setting that cannot be; the text says which, what was found, and what would be right."""


@dataclass(frozen=True, slots=True)
class Probe:
    """How to find out whether a program is ready, or still alive; exactly one of the first three is given."""

    output: re.Pattern[str] | None = None
    """A line that it prints."""
    port: int = 0
    """A TCP port on loopback that accepts."""
    command: tuple[str, ...] = ()
    """A command that exits with 0."""
    interval: float = 1.0
    """Seconds between two looks."""
    failures: int = 3
    """Looks in a row that have to fail before a program that was ready is taken for hung."""


@dataclass(frozen=True, slots=True)
class ProgramSettings:
    """An external program and what it is run with."""

    program: tuple[str, ...] = ()
    directory: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    env_files: tuple[str, ...] = ()
    user: str = ""
    group: str = ""
    umask: int | None = None
    stop_signal: str = "SIGTERM"
    success_codes: tuple[int, ...] = (0,)
    ready_when: Probe | None = None
    alive_when: Probe | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """How a service is kept up. Times are seconds."""

    enabled: bool = True
    host: str = ""
    """Services with the same one share a process; those without one share their file's."""
    policy: Policy = field(default_factory=Policy)
    start_timeout: float = 60.0
    """How long it may take to be ready."""
    stop_timeout: float = 5.0
    """How long it may take over `stop`, before its processes are sent SIGTERM; then the same again before SIGKILL."""
    watchdog: float = 0.0
    """How long its `run` may be silent before it is hung; 0: for ever."""
    after: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)
    """Resource limits by the names of setrlimit(2) in lower case without RLIMIT_: of its program, or of the process
    that it lives in."""
    log_bytes: int = 10 * 1024 * 1024
    """Its log file is put aside when it has become so large; 0: never."""
    log_files: int = 5
    """How many of those that were put aside are kept."""
    program: ProgramSettings | None = None


def boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def text(value: object) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("text")
    return value


def seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST:
        raise ValueError("a number of seconds")
    return float(value)


def some_seconds(value: object) -> float:
    if not seconds(value):
        raise ValueError("a number of seconds above 0")
    return seconds(value)


def count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("a whole number from 0")
    return value


def some(value: object) -> int:
    if not count(value):
        raise ValueError("a whole number from 1")
    return count(value)


def port(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 65535:
        raise ValueError("a port from 1 to 65535")
    return value


def restart(value: object) -> Restart:
    try:
        return Restart(value)
    except ValueError:
        raise ValueError("one of " + ", ".join(f'"{known.value}"' for known in Restart)) from None


def pattern(value: object) -> re.Pattern[str]:
    try:
        return re.compile(text(value))
    except (re.error, ValueError) as error:
        raise ValueError(f"a regular expression ({error})") from None


def signal_name(value: object) -> str:
    name = str(value).upper()
    name = name if name.startswith("SIG") else f"SIG{name}"
    if name not in signal.Signals.__members__:
        raise ValueError('the name of a signal, such as "SIGTERM"')
    return name


def umask(value: object) -> int:
    if not isinstance(value, str) or not re.fullmatch("[0-7]{3,4}", value):
        raise ValueError('octal digits in quotes, such as "022"')
    return int(value, 8)


def list_of(check: Callable[[object], T], what: str) -> Callable[[object], tuple[T, ...]]:
    def checked(value: object) -> tuple[T, ...]:
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise ValueError(what)
        try:
            return tuple(map(check, value))
        except ValueError:
            raise ValueError(what) from None

    return checked


def arguments(value: object) -> tuple[str, ...]:
    words = list_of(text, 'a list of words, such as ["sleep", "60"]')(value)
    if not words:
        raise ValueError('a list of words, such as ["sleep", "60"]')
    return words


def variables(value: object) -> dict[str, str]:
    if not isinstance(value, Mapping) or not all(isinstance(item, str) for pair in value.items() for item in pair):
        raise ValueError('a table of text, such as { PORT = "80" }')
    if any("\0" in item or not name or "=" in name for name, item in value.items()):
        raise ValueError("a table of names without `=` and text without NUL")
    return dict(value)


def table(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError("a table")
    return dict(value)


def limits(value: object) -> dict[str, int]:
    known = sorted(name.removeprefix("RLIMIT_").lower() for name in dir(resource) if name.startswith("RLIMIT_"))
    if not isinstance(value, Mapping) or not set(value) <= set(known):
        raise ValueError(f"a table with some of: {', '.join(known)}")
    try:
        found = {name: count(limit) for name, limit in value.items()}
    except ValueError:
        raise ValueError("a table of whole numbers from 0") from None
    if any(limit >= 2**63 for limit in found.values()):
        raise ValueError("a table of whole numbers below 2^63")
    return found


_PROBE_CHECKS: dict[str, Callable[[object], Any]] = {
    "output": pattern,
    "port": port,
    "command": arguments,
    "interval": some_seconds,
    "failures": some,
}


def probe(value: object) -> Probe:
    kinds = {"output", "port", "command"}
    if not isinstance(value, Mapping) or len(kinds & set(value)) != 1 or not set(value) <= set(_PROBE_CHECKS):
        raise ValueError(
            "a table with one of output, port and command, such as { port = 80 }, and maybe interval and failures"
        )
    found = {}
    for key, item in value.items():
        try:
            found[key] = _PROBE_CHECKS[key](item)
        except ValueError as error:
            raise ValueError(f"a table whose {key} is {error}") from None
    return Probe(**found)


_names = list_of(text, 'a list of services\' names, such as ["database"]')

PLACE_CHECKS: dict[str, Callable[[object], Any]] = {"enabled": boolean, "host": text}
"""What only the configuration may say: where and whether a service runs is no business of its class."""

POLICY_CHECKS: dict[str, Callable[[object], Any]] = {
    "restart": restart,
    "give_up_after": count,
    "longest_backoff": some_seconds,
    "stable_after": some_seconds,
}

SERVICE_CHECKS: dict[str, Callable[[object], Any]] = {
    "start_timeout": some_seconds,
    "stop_timeout": seconds,
    "watchdog": seconds,
    "after": _names,
    "needs": _names,
    "options": table,
    "limits": limits,
    "log_bytes": count,
    "log_files": some,
}

PROGRAM_CHECKS: dict[str, Callable[[object], Any]] = {
    "program": arguments,
    "directory": text,
    "environment": variables,
    "env_files": list_of(text, "a list of files"),
    "user": text,
    "group": text,
    "umask": umask,
    "stop_signal": signal_name,
    "success_codes": list_of(count, "a list of exit statuses, such as [0, 2]"),
    "ready_when": probe,
    "alive_when": probe,
}

CLASS_KEYS = (*POLICY_CHECKS, *SERVICE_CHECKS)
"""What the class of any service may say."""

PROGRAM_KEYS = tuple(PROGRAM_CHECKS)
"""What the class of a program may say besides."""

KEYS = (*PLACE_CHECKS, *CLASS_KEYS, *PROGRAM_KEYS)

_CHECKS = {**PLACE_CHECKS, **POLICY_CHECKS, **SERVICE_CHECKS, **PROGRAM_CHECKS}


def settings_of(given: Mapping[str, object], is_program: bool) -> Settings:
    """The settings that the keys in `given` make. Raises SettingsError at the first that cannot be."""
    found = checked(given, _CHECKS)
    for_program = _taken(found, PROGRAM_CHECKS)
    if for_program and not is_program:
        raise SettingsError(f"{next(iter(for_program))}: only a program can have it, and this service is none")
    if is_program and "program" not in for_program:
        raise SettingsError('program is missing; it should be a list of words, such as ["sleep", "60"]')
    if is_program and found.get("watchdog"):
        raise SettingsError("watchdog: a program cannot say that it is alive; alive_when looks after it")
    return Settings(
        policy=Policy(**_taken(found, POLICY_CHECKS)),
        program=ProgramSettings(**for_program) if is_program else None,
        **_taken(found, {**PLACE_CHECKS, **SERVICE_CHECKS}),
    )


def checked(given: Mapping[str, object], checks: Mapping[str, Callable[[object], Any]]) -> dict[str, Any]:
    """What a table gives, each key by its checker. Raises SettingsError at the first that cannot be."""
    found = {}
    for key, value in given.items():
        if key not in checks:
            raise SettingsError(f"there is no setting {key!r}; {nearest(key, checks)}")
        try:
            found[key] = checks[key](value)
        except ValueError as error:
            raise SettingsError(f"{key} is {value!r}, and should be {error}") from None
    return found


def _taken(found: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    return {key: found[key] for key in keys if key in found}


def nearest(word: str, known: Iterable[str]) -> str:
    """What may have been meant: the known word that resembles this one, or else all of them."""
    known = list(known)
    close = resembling(word, known, 1)
    return f"did you mean {close[0]}?" if close else f"there are: {', '.join(sorted(known))}"
