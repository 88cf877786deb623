"""One schedule: what runs, when, and with whose permissions; checked, for the service that runs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from smanager.commands.types import seconds_of
from smanager.config import checks
from smanager.config.checks import SettingsError, checked, keys_of, setting
from smanager.config.shipped import ShippedService, Tables
from smanager.schedules import cron
from smanager.schedules.timing import AT_EXAMPLE, ZONE_EXAMPLE, cron_of_time, zone_of
from smanager.service import OPERATE
from smanager.terminal.wording import listed

SERVICE = "schedules"
FILE = Path(__file__).parents[1] / "schedules" / "schedules.py"
"""The service that runs schedules, and the file of its class."""

LINE_LIMIT = 64 * 1024  # characters of a line of commands, as many as a session may send
SHORTEST = 1.0  # seconds between two runs: what comes more often is a service's own work


@checks.expected("a line of commands")
def _line(value: object) -> str:
    line = checks.text(value).strip()
    if not line or not line.isprintable() or len(line) > LINE_LIMIT:
        raise ValueError
    return line


@checks.expected('a time span such as "90s", "1h30m", or a number of seconds')
def _span(value: object) -> float:
    return checks.seconds(seconds_of(value))


@checks.expected('a time span from "1s", such as "15m", or a number of seconds')
def _some_span(value: object) -> float:
    if (span := _span(value)) < SHORTEST:
        raise ValueError
    return span


def _cron(value: object) -> str:
    with checks.expected(cron.EXAMPLE):
        expression = checks.text(value)
    try:
        cron.Cron.of(expression)
    except ValueError as error:
        raise ValueError(f"{cron.EXAMPLE}; {error}") from None
    return expression


@checks.expected(AT_EXAMPLE)
def _at(value: object) -> str:
    cron_of_time(checks.text(value))
    return str(value)


@checks.expected(ZONE_EXAMPLE)
def _timezone(value: object) -> str:
    zone_of(checks.text(value))
    return str(value)


def _word(*words: str) -> Any:
    return checks.one_of({word: word for word in words})


@checks.expected('a list of roles such as ["view"]')
def _roles(value: object) -> tuple[str, ...]:
    if names := checks.list_of(checks.text, "")(value):
        return names
    raise ValueError


@dataclass(frozen=True, slots=True)
class ScheduleSettings:
    """What runs, and when, by exactly one of `every`, `cron` and `at`."""

    run: str = setting(_line, "line of commands, as a script would send it", unset="")
    every: float = setting(_some_span, "time from one run to the next", unset=0.0)
    cron: str = setting(_cron, "minutes that match an expression, as crontab(5) describes it", unset="")
    at: str = setting(_at, "time of each day", unset="")
    timezone: str = setting(_timezone, "time zone of cron and at; by default the machine's", unset="")
    jitter: float = setting(_span, "longest time by which a run is put off; how long each is, is chance", 0)
    missed: str = setting(
        _word("run", "skip"),
        'what follows if the manager was down when runs were due: "run" makes up for all of them by one run',
        "skip",
    )
    overlap: str = setting(
        _word("skip", "queue", "kill"),
        'what follows if a run is due while another goes on: "skip" leaves it out, "queue" has it wait, "kill" ends '
        "the other",
        "skip",
    )
    timeout: float = setting(_some_span, "time after which a run is ended; by default never", unset=0.0)
    roles: tuple[str, ...] = setting(_roles, "roles whose permissions the line has", [OPERATE])
    enabled: bool = setting(checks.boolean, "whether the line runs by itself", True)


KEYS = keys_of(ScheduleSettings)
TIMES = ("every", "cron", "at")


def schedule_of(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Check a schedule's table; return all its settings, and its time in words. Raises SettingsError."""
    if not name.isprintable() or not name.strip() or name[0] == "-":
        raise SettingsError(f"has the name {name!r}, and should have one of printable characters without a dash first")
    settings = ScheduleSettings(**checked(given, KEYS))
    if not settings.run:
        raise SettingsError('run is missing; it should be a line of commands, such as "status"')
    times = [key for key in TIMES if key in given]
    if len(times) != 1:
        found = f"{listed(times)} are given" if times else "its time is missing"
        raise SettingsError(f"{found}; it should have exactly one of {listed(TIMES)}")
    if settings.every and settings.timezone:
        raise SettingsError("timezone is for cron and at, and this schedule has every")
    if settings.every and settings.jitter >= settings.every:
        raise SettingsError(f"jitter is {given['jitter']!r}, and should be less than every, {given['every']!r}")
    return {**asdict(settings), "when": _in_words(times[0], given)}


def _in_words(key: str, given: Mapping[str, Any]) -> str:
    written = given[key]
    text = f"{key} {written}" if isinstance(written, str) else f"{key} {written:g} s"
    return f"{text} {given['timezone']}" if "timezone" in given else text


def shipped(tables: Tables) -> ShippedService:
    """The service that runs the schedules: each under its own name, with its own roles."""
    schedules = tables.each(SERVICE, schedule_of)
    for name, schedule in schedules.items():
        with tables.table(f"{SERVICE}.{name}"):
            for role in schedule["roles"]:
                tables.require_role(role)
    settings = {
        "options": {"schedules": schedules},
        "roles_as": {name: list(schedule["roles"]) for name, schedule in schedules.items()},
    }
    return ShippedService(SERVICE, FILE, settings)
