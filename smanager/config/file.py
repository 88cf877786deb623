"""`smanager.toml`: found, read and checked."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from smanager.access.audit import Need
from smanager.access.roles import BUILT_IN, Role
from smanager.config import checks, listener, service
from smanager.config.checks import Key, SettingsError, checked, keys_of, setting
from smanager.config.listener import ListenerSettings, listener_of
from smanager.config.service import settings_of
from smanager.system.errors import in_words

FILE_NAME = "smanager.toml"

ROOT = Path(__file__).resolve().parents[2]
"""The directory of smanager.py, where the manager runs from its checkout."""

ROLE_EXAMPLE = 'such as allow = ["systemstatus.*", "status"] and deny = ["*.shutdown"]'


class ConfigError(Exception):
    """A configuration that the manager cannot use; the text says what is wrong and what would be right."""


@dataclass(frozen=True, slots=True)
class RootSettings:
    """What stands in the file outside of tables, and the tables as they are written."""

    host: str = setting(
        checks.text,
        "address to listen on; if neither host nor port is given, only the listeners count, if there are any",
        "127.0.0.1",
    )
    port: int = setting(checks.whole(0, checks.HIGHEST_PORT), "port to listen on; 0 picks a free port", 10000)
    max_sessions: int = setting(
        checks.whole(1), "number of clients that may be connected to host and port at a time", 1000
    )
    insecure: bool = setting(checks.boolean, "whether other machines may connect to host and port", False)
    state_dir: Path | None = setting(
        checks.path,
        "directory for logs, stopped services and the audit journal; by default one in the user's state directory",
    )
    services_dirs: tuple[Path, ...] = setting(
        checks.list_of(checks.path, 'a list of directories, such as ["services"]'),
        "directories of services files; by default `services` beside smanager.py, or in the working directory",
        unset=(),
    )
    exit_on: tuple[str, ...] = setting(
        checks.list_of(checks.text, "a list of services' names"),
        "services whose failure ends the manager, with exit status 1",
        [],
    )
    users_file: Path = setting(checks.path, "file of the users who may log in", "smanager-users.json")
    audit: Need | None = setting(
        checks.one_of({need.value: need for need in Need}),
        'whether to keep an audit journal: "on", "off", or "required" to refuse commands that cannot be recorded; '
        "by default on if there is a state directory or an audit_file",
    )
    audit_file: Path | None = setting(
        checks.path, "file of the audit journal; by default audit.jsonl in the state directory"
    )
    audit_syslog: bool = setting(checks.boolean, "whether the audit journal goes to syslog as well", False)
    services: Mapping[str, Any] = setting(checks.table("tables such as [services.web]"), "settings of services", {})
    listeners: Mapping[str, Any] = setting(
        checks.table("tables such as [listeners.lan]"), "more addresses to listen on", {}
    )
    roles: Mapping[str, Any] = setting(
        checks.table("tables such as [roles.operator]"), "roles besides the built-in ones", {}
    )


ROOT_KEYS = keys_of(RootSettings)

_commands = checks.list_of(checks.text, "a list of commands")
ROLE_KEYS = {
    "allow": Key(_commands, "commands that the role allows, by names and patterns", []),
    "deny": Key(_commands, "commands that the role denies, whatever allows them", []),
}

RELOADED = ("services_dirs", "exit_on", "services", "roles")
"""The keys that `reload` applies; the others count at the manager's start only."""

TABLES = {
    "": ROOT_KEYS,
    "[services.NAME]": service.SERVICE_KEYS,
    "[services.NAME] of a program": service.PROGRAM_KEYS,
    "ready_when = {...}, alive_when = {...}": service.PROBE_KEYS,
    "[listeners.NAME]": listener.KEYS,
    "tls = {...}": listener.TLS_KEYS,
    "[roles.NAME]": ROLE_KEYS,
}
"""All tables of the file with their keys."""


@dataclass(frozen=True, slots=True)
class ServicesConfig:
    """Which services there are and how they are kept up: what `reload` reads anew."""

    directories: tuple[Path, ...]
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The tables of the services, by name, as they are written."""
    exit_on: tuple[str, ...] = ()
    path: Path | None = None
    """The file that this was read from, if there is one."""
    roles: Mapping[str, Role] = field(default_factory=dict)
    at_start: Mapping[str, Any] = field(default_factory=dict)
    """The keys that count at the manager's start only."""

    @property
    def programs(self) -> dict[str, Mapping[str, Any]]:
        """The services without a class."""
        return {name: given for name, given in self.settings.items() if "program" in given}


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file's keys and values, the tables unchecked; empty if there is no file."""

    path: Path | None
    given: Mapping[str, Any]

    @property
    def base(self) -> Path:
        """The directory where the file's relative paths start."""
        return self.path.resolve().parent if self.path else Path()

    @property
    def settings(self) -> RootSettings:
        """What stands outside of tables, with relative paths resolved."""
        root = RootSettings(**self.given)
        return replace(
            root,
            state_dir=root.state_dir and self.base / root.state_dir,
            users_file=self.base / root.users_file,
            audit_file=root.audit_file and self.base / root.audit_file,
        )

    @property
    def role_names(self) -> set[str]:
        return {*BUILT_IN, *self.given.get("roles", ())}

    def error(self, table: str, problem: object) -> ConfigError:
        return ConfigError(f"{self.path}: [{table}] {problem}")

    def services(self, directories: Sequence[Path] | None) -> ServicesConfig:
        """What `reload` reads anew; `directories` replace those of the file. Raises ConfigError."""
        settings = {name: self._service(name, given) for name, given in self.given.get("services", {}).items()}
        configured = [self.base / directory for directory in self.given.get("services_dirs", ())]
        return ServicesConfig(
            directories=tuple(map(_require_directory, directories or configured or [default_services()])),
            settings=settings,
            exit_on=self.given.get("exit_on", ()),
            path=self.path,
            roles={name: self._role(name, given) for name, given in self.given.get("roles", {}).items()},
            at_start={key: value for key, value in self.given.items() if key not in RELOADED},
        )

    def listeners(self) -> list[ListenerSettings]:
        """The tables of listeners. Raises ConfigError."""
        settings = []
        for name, given in self.given.get("listeners", {}).items():
            try:
                settings.append(listener_of(name, given, self.base))
            except SettingsError as error:
                raise self.error(f"listeners.{name}", error) from None
        return settings

    def _service(self, name: str, given: object) -> dict[str, Any]:
        """Check a service's table; return it with a program's paths made absolute. Raises ConfigError."""
        if not isinstance(given, dict):
            raise self.error(f"services.{name}", f"is {given!r}, and should be a table")
        try:
            # Whether the service is a program turns out when its file is read.
            settings_of({"program": ["-"], **given, "watchdog": 0}, is_program=True)
            settings_of({"watchdog": given.get("watchdog", 0)}, is_program=False)
        except SettingsError as error:
            raise self.error(f"services.{name}", error) from None
        resolved = dict(given)
        if "program" in given or "directory" in given:
            resolved["directory"] = str(self.base / given.get("directory", ""))
        if "env_files" in given:
            resolved["env_files"] = [str(self.base / file) for file in given["env_files"]]
        return resolved

    def _role(self, name: str, given: object) -> Role:
        if name in BUILT_IN:
            raise self.error(f"roles.{name}", "is a built-in role; choose another name")
        try:
            return Role(name, **checked(checks.table()(given), ROLE_KEYS))
        except (SettingsError, ValueError):
            raise self.error(f"roles.{name}", f"is {given!r}, and should have lists {ROLE_EXAMPLE}") from None


def read_file(path: Path | None) -> ConfigFile:
    """Read the configuration at `path`, or else the one here or beside smanager.py. Raises ConfigError."""
    path = path or next((path for path in (Path(FILE_NAME), ROOT / FILE_NAME) if path.is_file()), None)
    if path is None:
        return ConfigFile(None, {})
    try:
        written = tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path}: {in_words(error)}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None
    try:
        return ConfigFile(path, checked(written, ROOT_KEYS))
    except SettingsError as error:
        misplaced = [key for key in written if key in listener.KEYS and key not in ROOT_KEYS]
        hint = f" ({misplaced[0]} belongs in a listener's table, such as [listeners.lan])" if misplaced else ""
        raise ConfigError(f"{path}: {error}{hint}") from None


def default_services() -> Path:
    """`services` beside smanager.py, where the manager runs from its checkout; else in the working directory."""
    beside = ROOT / "services"
    return beside if beside.is_dir() and (ROOT / "smanager.py").is_file() else Path("services")


def _require_directory(path: Path) -> Path:
    if not path.is_dir():
        problem = "is not a directory" if path.exists() else "does not exist"
        raise ConfigError(f"the services directory {path} {problem}; make it, or name another with --services DIR")
    return path.resolve()
