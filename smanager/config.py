"""What the manager is told: `smanager.toml` and the command line's options, checked, as frozen records."""

from __future__ import annotations

import argparse
import os
import socket
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from smanager import __version__
from smanager.settings import SettingsError, boolean, list_of, nearest, port, settings_of, some, text

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 10000
DEFAULT_MOST_SESSIONS = 1000

ROOT = Path(__file__).resolve().parents[1]
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
    at_start: Mapping[str, Any] = field(default_factory=dict)
    """The keys that count at the manager's start only, as they were written."""

    @property
    def programs(self) -> dict[str, Mapping[str, Any]]:
        """The services that need no class."""
        return {name: given for name, given in self.settings.items() if "program" in given}


@dataclass(frozen=True, slots=True)
class Config:
    services: Services
    host: str
    port: int
    insecure: bool
    most_sessions: int
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
    host = written.get("host", DEFAULT_HOST) if options.host is None else options.host
    port = written.get("port", DEFAULT_PORT) if options.port is None else options.port
    insecure = options.insecure or written.get("insecure", False)
    if not (insecure or options.console or options.check or options.docs):
        require_loopback(host, port)

    def read_services() -> Services:
        found = options.config or found_file()  # it may have come since
        return services_of(read_file(found) if found else {}, found, options.services)

    return Config(
        services=services_of(written, path, options.services),
        host=host,
        port=port,
        insecure=insecure,
        most_sessions=options.max_sessions or written.get("max_sessions", DEFAULT_MOST_SESSIONS),
        state_directory=options.state_dir or (base_of(path) / written["state_dir"] if "state_dir" in written else None),
        console=options.console,
        check=options.check,
        docs=options.docs,
        verbose=options.verbose,
        read_services=read_services,
    )


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; `--help` lists the options\n")


def parser() -> argparse.ArgumentParser:
    options = _Parser(
        prog="smanager",
        description="Keeps services running, and gives people, scripts and programs their commands over one port.",
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
}


AT_START = ("host", "port", "insecure", "max_sessions", "state_dir")

KEYS = tuple(_CHECKS)
"""What stands in the file beside `services`."""


def read_file(path: Path) -> dict[str, Any]:
    """The configuration's keys, checked; `services` as it stands there. Raises ConfigError."""
    try:
        written = tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None
    checked: dict[str, Any] = {}
    for key, value in written.items():
        if key == "services":
            if not isinstance(value, dict):
                raise ConfigError(f"{path}: services is {value!r}, and should be tables such as [services.web]")
            checked[key] = value
        elif key not in _CHECKS:
            raise ConfigError(f"{path}: there is no key {key!r}; {nearest(key, [*_CHECKS, 'services'])}")
        else:
            try:
                checked[key] = _CHECKS[key](value)
            except ValueError as error:
                raise ConfigError(f"{path}: {key} is {value!r}, and should be {error}") from None
    return checked


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
        path=path,
        at_start={key: written[key] for key in AT_START if key in written},
    )


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


def require_loopback(host: str, port: int) -> None:
    """Raise ConfigError where other machines could reach the address: whoever connects may give every command."""
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:  # UnicodeError: a name that cannot be one, as in "a..b"
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"--host {host}: {reason}; it should be an address of this machine") from None
    addresses = [str(entry[4][0]) for entry in found]
    if not all(address.startswith("127.") or address == "::1" for address in addresses):  # RFC 6890, 2.2
        raise ConfigError(
            f"--host {host or '(all)'} can be reached from other machines, and there is no login yet: anybody could "
            f"give every command; use {DEFAULT_HOST} with an ssh tunnel, or add --insecure if you mean it"
        )
