"""How one service is kept up: the settings that `smanager.toml` and a service's class may give, checked."""

from __future__ import annotations

import re
import resource
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from smanager.config import checks
from smanager.config.checks import SettingsError, checked, keys_of, setting


def _pattern(value: object) -> re.Pattern[str]:
    written = checks.text(value)
    try:
        return re.compile(written)
    except (re.error, OverflowError, RecursionError) as error:  # the last two: numbers too large, groups too deep
        raise ValueError(f"a regular expression ({error})") from None


def signal_name(value: object) -> str:
    name = str(value).upper()
    name = name if name.startswith("SIG") else f"SIG{name}"
    if name not in signal.Signals.__members__:
        raise ValueError('the name of a signal, such as "SIGTERM"')
    return name


def _variables(value: object) -> dict[str, str]:
    given = checks.table('a table of text, such as { PORT = "80" }', of=str)(value)
    if any("\0" in name + text or not name or "=" in name for name, text in given.items()):
        raise ValueError("a table of names without `=` and text without NUL")
    return given


def _limits(value: object) -> dict[str, int]:
    known = sorted(name.removeprefix("RLIMIT_").lower() for name in dir(resource) if name.startswith("RLIMIT_"))
    given = checks.table("a table of whole numbers, such as { nofile = 1024 }")(value)
    if not set(given) <= set(known):
        raise ValueError(f"a table with some of: {', '.join(known)}")
    with checks.expected("a table of whole numbers from 0 to 2^63 - 1"):
        return {name: checks.whole(0, 2**63 - 1)(limit) for name, limit in given.items()}


class Restart(Enum):
    """After which ends a service is started again."""

    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Policy:
    """What follows the end of a life that was not asked to end."""

    restart: Restart = setting(
        checks.one_of({known.value: known for known in Restart}),
        "after which ends the service is started again",
        "always",
    )
    give_up_after: int = setting(
        checks.whole(0), "number of early ends in a row after which the service has failed; 0 means never", 0
    )
    longest_backoff: float = setting(
        checks.some_seconds,
        "longest wait before a restart, in seconds; each early end in a row doubles the wait up to this",
        30,
    )
    stable_after: float = setting(
        checks.some_seconds, "seconds after which the end of a life is no longer early, and the backoff starts anew", 10
    )


@dataclass(frozen=True, slots=True)
class Probe:
    """How to find out whether a program is ready, or still alive, by exactly one of `output`, `port` and `command`."""

    output: re.Pattern[str] | None = setting(_pattern, "regular expression that a printed line matches")
    port: int = setting(checks.whole(1, checks.HIGHEST_PORT), "TCP port on loopback that accepts connections", unset=0)
    command: tuple[str, ...] = setting(checks.words, "command that exits with status 0", unset=())
    interval: float = setting(checks.some_seconds, "seconds between two probes", 1)
    failures: int = setting(checks.whole(1), "number of failed probes in a row after which a program counts as hung", 3)


def _probe(value: object) -> Probe:
    kinds = {"output", "port", "command"}
    if not isinstance(value, Mapping) or len(kinds & value.keys()) != 1 or not value.keys() <= PROBE_KEYS.keys():
        what = "one of output, port and command, such as { port = 80 }, and maybe interval and failures"
        raise ValueError(f"a table with {what}")
    values = {}
    for name, item in value.items():
        try:
            values[name] = PROBE_KEYS[name].check(item)
        except ValueError as error:
            raise ValueError(f"a table whose {name} is {error}") from None
    return Probe(**values)


@dataclass(frozen=True, slots=True)
class ProgramSettings:
    """An external program and its circumstances."""

    program: tuple[str, ...] = setting(checks.words, "command line, as a list of words; no shell is involved", unset=())
    directory: str = setting(checks.text, "working directory; by default the directory of this file", unset="")
    environment: Mapping[str, str] = setting(_variables, "environment variables, besides the manager's own", {})
    env_files: tuple[str, ...] = setting(
        checks.list_of(checks.text, 'a list of files, such as ["web.env"]'),
        "files with environment variables, in lines of NAME=VALUE",
        [],
    )
    user: str = setting(checks.text, "user that the program runs as; only root may set this", unset="")
    group: str = setting(checks.text, "group that the program runs as; only root may set this", unset="")
    umask: int | None = setting(checks.octal, 'file mode creation mask, such as "027"; by default the manager\'s')
    stop_signal: str = setting(signal_name, "signal that asks the program to stop", "SIGTERM")
    success_codes: tuple[int, ...] = setting(
        checks.list_of(checks.whole(0), "a list of exit statuses, such as [0, 2]"),
        "exit statuses that are not failures",
        [0],
    )
    ready_when: Probe | None = setting(_probe, "probe that tells when the program is ready; by default at once")
    alive_when: Probe | None = setting(_probe, "probe that tells whether the program still works; by default none")


_names = checks.list_of(checks.text, 'a list of services\' names, such as ["database"]')


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """How a service is kept up."""

    enabled: bool = setting(checks.boolean, "whether the manager starts the service by itself", True)
    host: str = setting(checks.text, "name of the service's process; services with the same name share it", unset="")
    start_timeout: float = setting(checks.some_seconds, "seconds until the service has to be ready", 60)
    stop_timeout: float = setting(checks.seconds, "seconds until a stopping service gets SIGTERM, and then SIGKILL", 5)
    watchdog: float = setting(
        checks.seconds,
        "seconds without a call of `self.alive()` after which the service counts as hung; 0 means never",
        0,
    )
    after: tuple[str, ...] = setting(_names, "services that are started before this one, if they are started", [])
    needs: tuple[str, ...] = setting(_names, "services that have to be running before this one can start", [])
    options: Mapping[str, Any] = setting(checks.table(), "values for the service itself, as `self.options`", {})
    limits: Mapping[str, int] = setting(
        _limits, "resource limits of the service's process, by their names in setrlimit(2), such as `nofile`", {}
    )
    log_bytes: int = setting(checks.whole(0), "bytes at which the log file is rotated; 0 means never", 10 * 1024 * 1024)
    log_files: int = setting(checks.whole(1), "number of rotated log files that are kept", 5)
    policy: Policy = field(default_factory=Policy)
    program: ProgramSettings | None = None


POLICY_KEYS = keys_of(Policy)
PROBE_KEYS = keys_of(Probe)
SERVICE_KEYS = keys_of(ServiceSettings) | POLICY_KEYS
PROGRAM_KEYS = keys_of(ProgramSettings)
KEYS = {**SERVICE_KEYS, **PROGRAM_KEYS}
"""The keys of `[services.NAME]`."""

CLASS_KEYS = tuple(name for name in SERVICE_KEYS if name not in ("enabled", "host"))
"""The keys that any service's class may give. Where and whether a service runs is not the class's business."""


def settings_of(given: Mapping[str, object], is_program: bool) -> ServiceSettings:
    """Make a service's settings. Raises SettingsError for the first key that is wrong."""
    values = checked(given, KEYS)
    for_policy = {name: values.pop(name) for name in POLICY_KEYS if name in values}
    for_program = {name: values.pop(name) for name in PROGRAM_KEYS if name in values}
    if for_program and not is_program:
        raise SettingsError(f"{next(iter(for_program))} is for programs, and this service is not a program")
    if is_program and "program" not in for_program:
        raise SettingsError('program is missing; it should be a list of words, such as ["sleep", "60"]')
    if is_program and values.get("watchdog"):
        raise SettingsError("watchdog is for services with a class; use alive_when for a program")
    return ServiceSettings(
        policy=Policy(**for_policy),
        program=ProgramSettings(**for_program) if is_program else None,
        **values,
    )
