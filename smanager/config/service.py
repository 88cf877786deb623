"""How one service is kept up: the settings that `smanager.toml` and a service's class may give, checked."""

from __future__ import annotations

import json
import re
import resource
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from smanager.config import checks
from smanager.config.checks import SettingsError, checked, keys_of, setting
from smanager.terminal.wording import listed


def _pattern(value: object) -> re.Pattern[str]:
    written = checks.text(value)
    try:
        return re.compile(written)
    except (re.error, OverflowError, RecursionError) as error:  # the last two: numbers too large, groups too deep
        raise ValueError(f"a regular expression ({error})") from None


def _true(value: object) -> bool:
    if value is not True:
        raise ValueError("true")
    return True


def signal_number(value: object) -> int:
    """The number of a signal, given by its name; those for real time may be SIGRTMIN+1 or SIGRTMAX-1 (signal(7))."""
    name = str(value).upper().removeprefix("SIG")
    if match := re.fullmatch(r"RTMIN\+(\d{1,2})|RTMAX-(\d{1,2})", name, re.ASCII):
        number = signal.SIGRTMIN + int(match[1]) if match[1] else signal.SIGRTMAX - int(match[2])
        if signal.SIGRTMIN <= number <= signal.SIGRTMAX:
            return number
    if known := signal.Signals.__members__.get(f"SIG{name}"):
        return int(known)
    raise ValueError('the name of a signal, such as "SIGTERM" or "SIGRTMIN+3"')


def _end(value: object) -> int:
    """A way to end, as Popen numbers them: an exit status, or a signal as a negative number."""
    with checks.expected("an exit status, or the name of a signal"):
        return -signal_number(value) if isinstance(value, str) else checks.whole(0, 255)(value)


def _variables(value: object) -> dict[str, str]:
    given = checks.table('a table of text, such as { PORT = "80" }', of=str)(value)
    if any("\0" in name + text or not name or "=" in name for name, text in given.items()):
        raise ValueError("a table of names without `=` and text without NUL")
    if not all(checks.fits(f"{name}={text}") for name, text in given.items()):
        raise ValueError(f"a table of text of at most {checks.STRING_LIMIT} bytes each, with the name")
    return given


def _limits(value: object) -> dict[str, int]:
    known = sorted(name.removeprefix("RLIMIT_").lower() for name in dir(resource) if name.startswith("RLIMIT_"))
    given = checks.table('a table of whole numbers, or "unlimited", such as { nofile = 1024 }')(value)
    if not set(given) <= set(known):
        raise ValueError(f"a table with some of: {', '.join(known)}")
    with checks.expected('a table of whole numbers from 0 to 2^63 - 1, or "unlimited"'):
        whole = checks.whole(0, 2**63 - 1)
        return {name: UNLIMITED if limit == "unlimited" else whole(limit) for name, limit in given.items()}


UNLIMITED = resource.RLIM_INFINITY


class SignalTo(Enum):
    """Which processes of a program get a signal."""

    MAIN = "main"
    GROUP = "group"


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
        'after which ends the service is started again; by default "on-failure" for ready_when = { done = true }',
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
        checks.some_seconds,
        "seconds, once ready, after which an end is no longer early, and the backoff starts anew",
        10,
    )


@dataclass(frozen=True, slots=True)
class Probe:
    """How to find out whether a program is ready, or still alive, by exactly one of the first four keys."""

    output: re.Pattern[str] | None = setting(_pattern, "regular expression that a printed line matches")
    port: int = setting(checks.whole(1, checks.HIGHEST_PORT), "TCP port on loopback that accepts connections", unset=0)
    command: tuple[str, ...] = setting(checks.words, "command that exits with status 0", unset=())
    done: bool = setting(
        _true, "`ready_when` only: true, for a program that is to end by itself, with success", unset=False
    )
    interval: float = setting(checks.some_seconds, "seconds between two probes", 1)
    timeout: float = setting(checks.some_seconds, "seconds after which a probe of a port or by a command has failed", 5)
    failures: int = setting(checks.whole(1), "number of failed probes in a row after which a program counts as hung", 3)


def _probe(value: object, *more_kinds: str) -> Probe:
    kinds = ["output", "port", "command", *more_kinds]
    known = PROBE_KEYS.keys() - ({"done"} - {*more_kinds})
    if not isinstance(value, Mapping) or len(value.keys() & kinds) != 1 or not value.keys() <= known:
        what = f"one of {listed(kinds)}, such as {{ port = 80 }}, and maybe interval, timeout and failures"
        raise ValueError(f"a table with {what}")
    values = {}
    for name, item in value.items():
        try:
            values[name] = PROBE_KEYS[name].check(item)
        except ValueError as error:
            raise ValueError(f"a table whose {name} is {error}") from None
    return Probe(**values)


def _ready_probe(value: object) -> Probe:
    return _probe(value, "done")


@dataclass(frozen=True, slots=True)
class ProgramSettings:
    """An external program and its circumstances."""

    program: tuple[str, ...] = setting(checks.words, "command line, as a list of words; no shell is involved", unset=())
    directory: str = setting(checks.written_path, "working directory; by default the directory of this file", unset="")
    environment: Mapping[str, str] = setting(_variables, "environment variables, besides the manager's own", {})
    env_files: tuple[str, ...] = setting(
        checks.list_of(checks.written_path, 'a list of files, such as ["web.env"]'),
        "files of environment variables, in lines of NAME=VALUE, as systemd's EnvironmentFile= and dotenv read them",
        [],
    )
    user: str = setting(checks.account, "user that the program runs as; only root may set this", unset="")
    group: str = setting(checks.account, "group that the program runs as; only root may set this", unset="")
    umask: int | None = setting(checks.octal, 'file mode creation mask, such as "027"; by default the manager\'s')
    nice: int | None = setting(
        checks.whole(-20, 19), "priority, from -20 (the highest, for root only) to 19; by default the manager's"
    )
    stop_signal: int = setting(signal_number, "signal that asks the program to stop", "SIGTERM")
    stop_signal_to: SignalTo = setting(
        checks.one_of({known.value: known for known in SignalTo}),
        "which processes get the stop signal, and those of the command signal: the program's own process, which tells "
        "its children, or all of its process group",
        "main",
    )
    success_codes: tuple[int, ...] = setting(
        checks.list_of(_end, 'a list of exit statuses and signals, such as [0, 2, "SIGTERM"]'),
        "exit statuses, and signals that end the program, that are not failures",
        [0],
    )
    ready_when: Probe | None = setting(_ready_probe, "probe that tells when the program is ready; by default at once")
    alive_when: Probe | None = setting(_probe, "probe that tells whether the program still works; by default none")

    @property
    def is_task(self) -> bool:
        """Whether the program is never ready, but done in the end."""
        return bool(self.ready_when and self.ready_when.done)


_names = checks.list_of(checks.text, 'a list of services\' names, such as ["database"]')
_roles = checks.list_of(checks.text, 'a list of roles such as ["view"]')


_proofs = checks.list_of(
    checks.one_of({proof: proof for proof in ("password", "token", "certificate")}),
    'a list of proofs, such as ["password", "token"]',
)


@checks.expected('a table of lists of roles, such as { night = ["operate"] }')
def _roles_by_name(value: object) -> dict[str, tuple[str, ...]]:
    return {checks.text(name): _roles(roles) for name, roles in checks.table()(value).items()}


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """How a service is kept up."""

    enabled: bool = setting(checks.boolean, "whether the manager starts the service by itself", True)
    host: str = setting(checks.text, "name of the service's process; services with the same name share it", unset="")
    start_timeout: float = setting(
        checks.some_seconds,
        "seconds until the service has to be ready; no limit for ready_when = { done = true } by default",
        60,
    )
    stop_timeout: float = setting(checks.seconds, "seconds until a stopping service gets SIGTERM, and then SIGKILL", 5)
    watchdog: float = setting(
        checks.seconds,
        "seconds without a call of `self.alive()` after which the service counts as hung; 0 means never",
        0,
    )
    after: tuple[str, ...] = setting(
        _names, "services whose first attempt to start comes before this one, if they are started", []
    )
    needs: tuple[str, ...] = setting(_names, "services that have to be running, or done, before this one can start", [])
    roles: tuple[str, ...] = setting(
        _roles,
        "roles that decide what the service may ask the manager through `self.manager`",
        [],
    )
    roles_as: Mapping[str, tuple[str, ...]] = setting(
        _roles_by_name,
        "names under which the service may ask the manager as well, each with its roles, by `self.manager.acting_as`",
        {},
    )
    logs_in: tuple[str, ...] = setting(
        _proofs,
        "proofs by which the service may have users log in and act for them, by `self.manager.log_in_async`: "
        '"password", "token", and "certificate", of which the service\'s word counts',
        [],
    )
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


SIZE_LIMIT = 2 * 1024 * 1024
"""Characters of a service's settings as JSON, in which its host gets them: as much as Linux takes as arguments and
environment by default, and half of what a frame may hold."""


def _require_sendable(given: Mapping[str, object]) -> None:
    """Raise SettingsError if settings cannot be sent to a host."""
    sizes = {}
    for name, value in given.items():
        try:
            sizes[name] = len(json.dumps(value))
        except (TypeError, ValueError, RecursionError):  # TOML has dates and times; classes have anything
            what = "values that JSON has; write dates and times as text"
            raise SettingsError(f"{name} is {checks.shown(value)}, and should have only {what}") from None
    if sum(sizes.values()) > SIZE_LIMIT:
        largest = max(sizes, key=lambda name: sizes[name])
        raise SettingsError(
            f"{largest} has {sizes[largest]} bytes; a service's settings should have at most {SIZE_LIMIT} together"
        )


def settings_of(given: Mapping[str, object], is_program: bool) -> ServiceSettings:
    """Make a service's settings. Raises SettingsError if any are wrong."""
    values = checked(given, KEYS)
    _require_sendable(given)
    for_policy = {name: values.pop(name) for name in POLICY_KEYS if name in values}
    for_program = {name: values.pop(name) for name in PROGRAM_KEYS if name in values}
    if for_program and not is_program:
        raise SettingsError(f"{next(iter(for_program))} is for programs, and this service is not a program")
    if is_program and "program" not in for_program:
        raise SettingsError('program is missing; it should be a list of words, such as ["sleep", "60"]')
    if is_program and values.get("watchdog"):
        raise SettingsError("watchdog is for services with a class; use alive_when for a program")
    program = ProgramSettings(**for_program) if is_program else None
    if program and program.is_task:
        values.setdefault("start_timeout", checks.LONGEST)  # its work must not be cut off in the middle
        for_policy.setdefault("restart", Restart.ON_FAILURE)
        if program.alive_when or for_policy["restart"] is Restart.ALWAYS:
            key = "alive_when" if program.alive_when else 'restart = "always"'
            raise SettingsError(f"{key} is for programs that go on, and this one has ready_when = {{ done = true }}")
    return ServiceSettings(policy=Policy(**for_policy), program=program, **values)
