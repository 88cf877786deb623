"""What the manager is told: `smanager.toml` and the command line's options, checked, as frozen records."""

from __future__ import annotations

import argparse
import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from smanager import __version__
from smanager.access.audit import Need
from smanager.access.roles import BUILT_IN, Role
from smanager.config.listener import (
    DEFAULT_HOST,
    DEFAULT_MOST_SESSIONS,
    DEFAULT_NAME,
    DEFAULT_PORT,
    ListenerSettings,
    listener_of,
)
from smanager.config.listener import KEYS as LISTENER_KEYS
from smanager.config.service import SettingsError, boolean, checked, list_of, nearest, port, settings_of, some, text
from smanager.system.errors import in_words

USERS_FILE = "smanager-users.json"
"""The users' file where nothing else is said, beside the configuration or here."""

ROOT = Path(__file__).resolve().parents[2]
FILE_NAME = "smanager.toml"


class ConfigError(Exception):
    """Something that the manager cannot start with; the text says what would be right."""


@dataclass(frozen=True, slots=True)
class Services:
    """Which services there are and how they are kept up: what `reload` reads anew."""

    directories: tuple[Path, ...]
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By service, as it was written."""
    exit_on: tuple[str, ...] = ()
    """Services whose failure ends the manager."""
    path: Path | None = None
    """The file that this was read from, if there is one."""
    roles: Mapping[str, Role] = field(default_factory=dict)
    at_start: Mapping[str, Any] = field(default_factory=dict)
    """The keys that count at the manager's start only, as they were written."""

    @property
    def programs(self) -> dict[str, Mapping[str, Any]]:
        """The services that need no class."""
        return {name: given for name, given in self.settings.items() if "program" in given}


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """Where the audit journal goes."""

    need: Need | None = None
    """None: it is written where there is a place for it."""
    file: Path | None = None
    """None: in the state directory."""
    syslog: bool = False


@dataclass(frozen=True, slots=True)
class Config:
    services: Services
    listeners: tuple[ListenerSettings, ...]
    users_file: Path
    audit: AuditSettings
    state_directory: Path | None
    console: bool
    check: bool
    docs: bool
    verbose: bool
    read_services: Callable[[], Services]
    """Reads the services' part anew. Raises ConfigError."""


def read(arguments: Sequence[str] | None = None) -> Config:
    """The options and the file. Exits with 2 where they are no options; raises ConfigError where they don't fit."""
    options = parser().parse_args(arguments)
    path = options.config or found_file()
    written = read_file(path) if path else {}

    def read_services() -> Services:
        found = options.config or found_file()  # it may have come since
        return services_of(read_file(found) if found else {}, found, options.services)

    return Config(
        services=services_of(written, path, options.services),
        listeners=listeners_of(options, written, path),
        users_file=base_of(path) / written.get("users_file", USERS_FILE),
        audit=AuditSettings(
            written.get("audit"),
            base_of(path) / written["audit_file"] if "audit_file" in written else None,
            written.get("audit_syslog", False),
        ),
        state_directory=options.state_dir or (base_of(path) / written["state_dir"] if "state_dir" in written else None),
        console=options.console,
        check=options.check,
        docs=options.docs,
        verbose=options.verbose,
        read_services=read_services,
    )


def listeners_of(
    options: argparse.Namespace, written: Mapping[str, Any], path: Path | None
) -> tuple[ListenerSettings, ...]:
    """Where to listen, by the file's tables and the options; in one place at least. Raises ConfigError."""
    found = []
    for name, given in written.get("listeners", {}).items():
        try:
            found.append(listener_of(name, given, base_of(path)))
        except SettingsError as error:
            raise ConfigError(f"{path}: [listeners.{name}] {error}") from None
    if options.unix:
        found.append(ListenerSettings("--unix", unix=options.unix.absolute()))
    host, port = written.get("host") if options.host is None else options.host, options.port
    port = written.get("port") if port is None else port
    if not found or host is not None or port is not None:
        default = ListenerSettings(
            DEFAULT_NAME,
            tcp=(DEFAULT_HOST if host is None else host, DEFAULT_PORT if port is None else port),
            insecure=options.insecure or written.get("insecure", False),
            max_sessions=options.max_sessions or written.get("max_sessions", DEFAULT_MOST_SESSIONS),
        )
        found.insert(0, default)
    _check_listeners(found, written, path)
    return tuple(found)


def _check_listeners(found: Sequence[ListenerSettings], written: Mapping[str, Any], path: Path | None) -> None:
    """Raise ConfigError where two are in one place, or give roles that there are not."""
    known = {*BUILT_IN, *written.get("roles", ())}
    places: dict[Path, str] = {}
    for one in found:
        if unknown := [role for role in one.roles or () if role not in known]:
            problem = f"there is no role {unknown[0]}; {nearest(unknown[0], known)}"
            raise ConfigError(f"{path}: [listeners.{one.name}] {problem}")
        if one.unix and (other := places.setdefault(one.unix.absolute(), one.name)) != one.name:
            raise ConfigError(f"{one.unix} is listened on twice, by {other} and {one.name}")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; `--help` lists the options\n")


def parser() -> argparse.ArgumentParser:
    options = _Parser(
        prog="smanager",
        description="Keeps services running, and gives people, scripts and programs their commands over one port.",
        epilog="`smanager user` and `smanager token` look after who may log in; each has a `--help` of its own.",
    )
    options.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        help=f"the configuration (default: {FILE_NAME} here or beside smanager.py, if there is one)",
    )
    options.add_argument(
        "--services",
        metavar="DIR",
        type=Path,
        action="append",
        help="a directory of services, may be given again (default: `services` beside smanager.py or here)",
    )
    options.add_argument("--host", help=f"the address to listen on (default: {DEFAULT_HOST})")
    options.add_argument("--port", type=port_number, help=f"the port; 0 picks a free one (default: {DEFAULT_PORT})")
    options.add_argument("--unix", metavar="PATH", type=Path, help="a unix socket to listen on as well")
    options.add_argument("--insecure", action="store_true", help="allow an address that other machines reach")
    options.add_argument(
        "--max-sessions",
        metavar="N",
        type=positive,
        help=f"connections served at a time (default: {DEFAULT_MOST_SESSIONS})",
    )
    options.add_argument(
        "--state-dir",
        metavar="DIR",
        type=Path,
        help="where logs, and what is stopped, are kept (default: one for each port, in the user's state directory)",
    )
    options.add_argument("--console", action="store_true", help="a shell on this terminal or pipe, and no port")
    options.add_argument("--check", action="store_true", help="import and describe all services, start nothing")
    options.add_argument("--docs", action="store_true", help="print the services' command reference as Markdown")
    options.add_argument("-v", "--verbose", action="store_true", help="log more")
    options.add_argument("--version", action="version", version=f"smanager {__version__}")
    return options


def port_number(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: it should be a number from 0 to 65535")
    return int(text)


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} should be a number from 1")
    return int(text)


# The file.


def found_file() -> Path | None:
    """The configuration in the working directory, or else beside smanager.py."""
    return next((path for path in (Path(FILE_NAME), ROOT / FILE_NAME) if path.is_file()), None)


def _path(value: object) -> Path:
    return Path(text(value)).expanduser()


def _need(value: object) -> Need:
    try:
        return Need(value)
    except ValueError:
        raise ValueError("one of " + ", ".join(f'"{need.value}"' for need in Need)) from None


def _tables(what: str) -> Callable[[object], dict[str, Any]]:
    def check(value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValueError(what)
        return value

    return check


def _listening_port(value: object) -> int:
    return 0 if value == 0 and not isinstance(value, bool) else port(value)


_CHECKS: dict[str, Callable[[object], Any]] = {
    "host": text,
    "port": _listening_port,
    "insecure": boolean,
    "max_sessions": some,
    "state_dir": _path,
    "services_dirs": list_of(_path, 'a list of directories, such as ["services"]'),
    "exit_on": list_of(text, "a list of services' names"),
    "users_file": _path,
    "audit": _need,
    "audit_file": _path,
    "audit_syslog": boolean,
}

_TABLES = {
    "services": _tables("tables such as [services.web]"),
    "listeners": _tables("tables such as [listeners.lan]"),
    "roles": _tables("tables such as [roles.operator]"),
}

AT_START = (
    *("host", "port", "insecure", "max_sessions", "state_dir", "listeners"),
    *("users_file", "audit", "audit_file", "audit_syslog"),
)

KEYS = tuple(_CHECKS)
"""What stands in the file beside the tables."""


def read_file(path: Path) -> dict[str, Any]:
    """The configuration's keys, checked; `services` as it stands there. Raises ConfigError."""
    try:
        written = tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path}: {in_words(error)}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None
    try:
        return checked(written, {**_CHECKS, **_TABLES})
    except SettingsError as error:
        misplaced = [key for key in written if key in LISTENER_KEYS and key not in _CHECKS]
        where = f" ({misplaced[0]} is a key of a listener's table, such as [listeners.lan])" if misplaced else ""
        raise ConfigError(f"{path}: {error}{where}") from None


def users_file(path: Path | None) -> Path:
    """The users' file by the configuration that is named, or else found. Raises ConfigError."""
    path = path or found_file()
    named: Path = (read_file(path) if path else {}).get("users_file", Path(USERS_FILE))
    return base_of(path) / named


def role_names(path: Path | None) -> set[str]:
    """The roles by the configuration that is named, or else found. Raises ConfigError."""
    path = path or found_file()
    return {*BUILT_IN, *(read_file(path) if path else {}).get("roles", ())}


def services_of(written: Mapping[str, Any], path: Path | None, directories: Sequence[Path] | None) -> Services:
    """The part of the file that says what the services are. Raises ConfigError."""
    settings = written.get("services", {})
    base = base_of(path)
    for name, given in settings.items():
        if not isinstance(given, dict):
            raise ConfigError(f"{path}: [services.{name}] is {given!r}, and should be a table")
        try:
            # Whether it is a program shows when it is found.
            settings_of({"program": ["-"], **given, "watchdog": 0}, is_program=True)
            settings_of({"watchdog": given.get("watchdog", 0)}, is_program=False)
        except SettingsError as error:
            raise ConfigError(f"{path}: [services.{name}] {error}") from None
    configured = [base / directory for directory in written.get("services_dirs", ())]
    return Services(
        directories=tuple(map(checked_directory, directories or configured or [default_services()])),
        settings={name: _resolved(given, base) for name, given in settings.items()},
        exit_on=written.get("exit_on", ()),
        roles={name: role_of(name, given, path) for name, given in written.get("roles", {}).items()},
        path=path,
        at_start={key: written[key] for key in AT_START if key in written},
    )


def role_of(name: str, given: object, path: Path | None) -> Role:
    """A role's table. Raises ConfigError."""
    what = 'such as allow = ["systemstatus.*", "status"] and deny = ["*.shutdown"]'
    if name in BUILT_IN:
        raise ConfigError(f"{path}: [roles.{name}] is there already; give yours another name")
    if not isinstance(given, dict) or not set(given) <= {"allow", "deny"}:
        raise ConfigError(f"{path}: [roles.{name}] is {given!r}, and should have keys {what}")
    try:
        patterns = {key: list_of(text, "")(value) for key, value in given.items()}
    except ValueError:
        raise ConfigError(f"{path}: [roles.{name}] is {given!r}, and should have lists {what}") from None
    return Role(name, **patterns)


def base_of(path: Path | None) -> Path:
    """Where the file's relative paths start."""
    return path.resolve().parent if path else Path()


def _resolved(given: Mapping[str, Any], base: Path) -> dict[str, Any]:
    """A program's settings with its paths taken from the file's own place."""
    resolved = dict(given)
    if "program" in given or "directory" in given:
        resolved["directory"] = str(base / given.get("directory", ""))
    if "env_files" in given:
        resolved["env_files"] = [str(base / name) for name in given["env_files"]]
    return resolved


def default_services() -> Path:
    """`services` beside smanager.py, where the manager runs from its checkout; else in the working directory."""
    beside = ROOT / "services"
    return beside if beside.is_dir() and (ROOT / "smanager.py").is_file() else Path("services")


def checked_directory(path: Path) -> Path:
    if not path.is_dir():
        what = "is no directory" if path.exists() else "is not there"
        raise ConfigError(f"the services directory {path} {what}; make it, or name another with --services DIR")
    return path.resolve()


def default_state_directory(name: str) -> Path:
    """systemd's own directory for the unit, or else one of that name in the user's state directory (XDG)."""
    if given := os.environ.get("STATE_DIRECTORY"):
        return Path(given.partition(":")[0])
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "smanager" / name
