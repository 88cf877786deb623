"""`smanager.toml`: found, read and checked."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from smanager.access.audit import Need
from smanager.access.roles import BUILT_IN, EVERYONE, Role
from smanager.config import checks, listener, runs, service
from smanager.config.checks import Key, SettingsError, checked, keys_of, nearest, setting
from smanager.config.listener import ListenerSettings, listener_of
from smanager.config.runs import RunSettings
from smanager.config.service import settings_of
from smanager.config.shipped import ShippedService
from smanager.system.errors import in_words
from smanager.terminal.text import one_spelling

T = TypeVar("T")
Table = Mapping[str, Any]

FILE_NAME = "smanager.toml"

ROOT = Path(__file__).resolve().parents[2]  # the directory of smanager.py, where the manager runs from its checkout
ROLE_EXAMPLE = 'such as allow = ["systemstatus.*", "status"] and deny = ["*.shutdown"]'


class ConfigError(Exception):
    """A configuration that the manager cannot use; each problem's text says what is wrong and what would be right."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@contextmanager
def collected(problems: list[str]) -> Iterator[None]:
    """Add the problems of a ConfigError that ends the block to a list."""
    try:
        yield
    except ConfigError as error:
        problems += error.problems


def refuse(problems: Sequence[str]) -> None:
    """Raise ConfigError if there are problems."""
    if problems:
        raise ConfigError(*dict.fromkeys(problems))


@dataclass(frozen=True, slots=True)
class RootSettings:
    """What stands in the file outside of tables, and the tables as they are written."""

    host: str = setting(
        checks.text,
        "address to listen on; if neither host nor port is given, only the listeners count, if there are any",
        "127.0.0.1",
    )
    port: int = setting(checks.whole(0, checks.HIGHEST_PORT), "port to listen on; 0 picks a free port", 10000)
    max_sessions: int = setting(checks.whole(1), "number of clients that host and port serve at a time", 1000)
    insecure: bool = setting(checks.boolean, "whether other machines may connect to host and port", False)
    state_dir: Path | None = setting(
        checks.path,
        "directory for logs, past runs, stopped services and the audit journal; by default one in the user's state "
        "directory",
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
    shutdown_timeout: float | None = setting(
        checks.some_seconds,
        "seconds that all services together may take to stop when the manager ends; by default as many as their own "
        "times to stop make along the longest chain of `needs` and `after`",
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
    allow_writable: bool = setting(
        checks.boolean,
        "whether code and configuration may be files that other users may write to; for this file itself, only the "
        "option --allow-writable counts",
        False,
    )
    services: Table = setting(checks.table("tables such as [services.web]"), "settings of services", {})
    listeners: Table = setting(checks.table("tables such as [listeners.lan]"), "more addresses to listen on", {})
    roles: Table = setting(checks.table("tables such as [roles.operator]"), "roles besides the built-in ones", {})
    schedules: Table = setting(
        checks.table("tables such as [schedules.backup]"), "lines of commands that run at certain times", {}
    )
    alerts: Table = setting(checks.table("tables such as [alerts.oncall]"), "who is told when something is wrong", {})
    metrics: Table = setting(checks.table("a table such as [metrics]"), "where metrics are shown", {})
    web: Table = setting(checks.table("a table such as [web]"), "the web page, which the table alone adds", {})
    fleet: Table = setting(checks.table("a table such as [fleet]"), "the fleet that this box belongs to", {})
    runs: Table = setting(checks.table("a table such as [runs]"), "which runs of commands are kept", {})


ROOT_KEYS = keys_of(RootSettings)

_commands = checks.list_of(checks.text, "a list of commands")
ROLE_KEYS = {
    "allow": Key(_commands, "commands that the role allows, by names and patterns", []),
    "deny": Key(_commands, "commands that the role denies, whatever allows them", []),
}

AT_START = ("state_dir", "users_file", "audit", "audit_file", "audit_syslog")
"""The keys that count at the manager's start only; `reload` applies all others."""

TABLES: Mapping[str, Mapping[str, Key]]
"""All tables of the file with their keys."""


def __getattr__(name: str) -> object:
    """Make TABLES when it is asked for: the manager does without the keys of shipped services that it does not need."""
    if name != "TABLES":
        raise AttributeError(name)
    from smanager.config import alert, fleet, metrics, schedule, web

    return {
        "": ROOT_KEYS,
        "[services.NAME]": service.SERVICE_KEYS,
        "[services.NAME] of a program": service.PROGRAM_KEYS,
        "ready_when = {...}, alive_when = {...}": service.PROBE_KEYS,
        "[listeners.NAME]": listener.KEYS,
        "tls = {...}": listener.TLS_KEYS,
        "[roles.NAME]": ROLE_KEYS,
        "[runs]": runs.KEYS,
        "[schedules.NAME]": schedule.KEYS,
        "[alerts.NAME]": alert.KEYS,
        "webhook = {...}": alert.WEBHOOK_KEYS,
        "mail = {...}": alert.MAIL_KEYS,
        "[metrics]": metrics.KEYS,
        "[web]": web.KEYS,
        "[fleet]": fleet.KEYS,
    }


class ServicesConfig(NamedTuple):
    """Which services there are, how they are kept up, and where they are served: what `reload` reads anew."""

    directories: tuple[Path, ...]
    settings: Mapping[str, Table] = MappingProxyType({})
    """The tables of the services, by name, as they are written."""
    exit_on: tuple[str, ...] = ()
    shutdown_timeout: float | None = None  # seconds; None: as long as the services' own times take
    path: Path | None = None  # the file that this was read from, if there is one
    roles: Mapping[str, Role] = MappingProxyType({})
    allow_writable: bool = False  # whether other users may write to services files
    listeners: tuple[ListenerSettings, ...] = ()
    runs: RunSettings = RunSettings()
    shipped: tuple[Path, ...] = ()
    """The services files that come with the program, and that the configuration asks for."""
    at_start: Table = MappingProxyType({})  # the keys that count at the manager's start only
    problems: tuple[str, ...] = ()
    """What is wrong with the configuration: then only what else is wrong with the rest of it is still found out."""

    @property
    def programs(self) -> dict[str, Table]:
        """The services without a class."""
        return {name: given for name, given in self.settings.items() if "program" in given}

    @property
    def env_files(self) -> list[tuple[Path, str]]:
        """The files of variables that the file names, each with the user of its program; empty: the manager's."""
        tables = self.settings.values()
        return [(Path(file), given.get("user", "")) for given in tables for file in given.get("env_files", ())]


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file's keys and values, the tables unchecked until they are asked for; empty if there is no file."""

    path: Path | None
    given: Table
    problems: list[str] = field(default_factory=list)  # all that is wrong with what has been asked for

    @property
    def base(self) -> Path:
        """The directory where the file's relative paths start: the file's own, or that of the link to the file.

        A link that is switched from one version to the next, as Kubernetes switches `..data`, changes no path so.
        """
        return self.path.parent if self.path else here()

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
        """The names of all roles, with underscores for dashes."""
        return {*BUILT_IN, *map(one_spelling, self.given.get("roles", ()))}

    @contextmanager
    def table(self, name: str) -> Iterator[None]:
        """Note the problems of a SettingsError that ends the block, with their place."""
        try:
            yield
        except SettingsError as error:
            self.problems.extend(f"{self.path}: [{name}] {problem}" for problem in error.problems)

    def services(self, directories: Sequence[Path] | None, allow_writable: bool = False) -> ServicesConfig:
        """What `reload` reads anew; `directories` replace those of the file. Raises ConfigError if one is missing."""
        configured = [self.base / directory for directory in self.given.get("services_dirs", ())]
        settings = self.each("services", self._service)
        for name, given in self.given.get("services", {}).items():  # others may need a service whose table is wrong
            settings.setdefault(name, {"program": ["-"]} if isinstance(given, dict) and "program" in given else {})
        roles = self._roles()
        shipped = list(self._shipped())
        for one in shipped:
            settings[one.name] = {**one.defaults, **settings.get(one.name, {}), **one.settings}
        return ServicesConfig(
            directories=self._present(directories or configured),
            settings=settings,
            exit_on=self.given.get("exit_on", ()),
            shutdown_timeout=self.given.get("shutdown_timeout"),
            path=self.path,
            roles=roles,
            allow_writable=allow_writable,
            runs=self._runs(),
            shipped=tuple(one.file for one in shipped),
            at_start={key: value for key, value in self.given.items() if key in AT_START},
        )

    def _present(self, named: Sequence[Path]) -> tuple[Path, ...]:
        """The services directories; where none is named, programs can do without. Raises ConfigError."""
        if named or (default := default_services()).is_dir():
            return _require_directories(named or [default])
        if self._has_programs:
            return ()
        file = self.path or default.with_name(FILE_NAME)
        raise ConfigError(
            f"there is no services directory {default}, and no program in {file}; make either, or name a directory "
            "with --services DIR"
        )

    @property
    def _has_programs(self) -> bool:
        return any(isinstance(given, dict) and "program" in given for given in self.given.get("services", {}).values())

    def _shipped(self) -> Iterator[ShippedService]:
        """The services that come with the program, and that the file asks for; only these are imported."""
        if self.given.get("schedules"):
            from smanager.config import schedule

            yield schedule.shipped(self)
        if self.given.get("alerts"):
            from smanager.config import alert

            yield alert.shipped(self)
        if "metrics" in self.given:
            from smanager.config import metrics

            yield metrics.shipped(self)
        if "web" in self.given:
            from smanager.config import web

            yield web.shipped(self)
        if "fleet" in self.given:
            from smanager.config import fleet

            yield fleet.shipped(self)

    def require_role(self, name: str) -> None:
        """Raise SettingsError if there is no role of this name."""
        if one_spelling(name) not in self.role_names:
            raise SettingsError(f"there is no role {name}; {nearest(name, self.role_names)}")

    def listeners(self) -> list[ListenerSettings]:
        """The tables of listeners that are right."""
        return [*self.each("listeners", lambda name, given: listener_of(name, given, self.base)).values()]

    def _roles(self) -> dict[str, Role]:
        roles = self.each("roles", _role)
        spelled: dict[str, str] = {}
        for name in roles:
            with self.table(f"roles.{name}"):
                if (other := spelled.setdefault(one_spelling(name), name)) != name:
                    raise SettingsError(
                        f"is the same role as [roles.{other}], for - and _ are one; choose another name"
                    )
        return roles

    def _runs(self) -> RunSettings:
        with self.table("runs"):
            return RunSettings(**checked(self.given.get("runs", {}), runs.KEYS))
        return RunSettings()

    def each(self, kind: str, check: Callable[[str, Table], T]) -> dict[str, T]:
        """What `check` makes of each table of a kind that is right."""
        made = {}
        for name, given in self.given.get(kind, {}).items():
            with self.table(f"{kind}.{name}"):
                if not isinstance(given, dict):
                    raise SettingsError(f"is {given!r}, and should be a table")
                made[name] = check(name, given)
        return made

    def _service(self, _: str, given: Table) -> dict[str, Any]:
        """Check a service's table; return it with a program's paths made absolute."""
        # Whether the service is a program turns out when its file is read.
        checked(given, service.KEYS)
        settings_of({"program": ["-"], **given, "watchdog": 0}, is_program=True)
        resolved = dict(given)
        if "program" in given or "directory" in given:
            resolved["directory"] = str(self.base / checks.path(given.get("directory", ".")))
        if "env_files" in given:
            resolved["env_files"] = [str(self.base / checks.path(file)) for file in given["env_files"]]
        return resolved


def _role(name: str, given: Table) -> Role:
    if name in (*BUILT_IN, EVERYONE):
        raise SettingsError("is a built-in role; choose another name")
    try:
        return Role(name, **checked(given, ROLE_KEYS))
    except SettingsError:
        raise SettingsError(f"is {given!r}, and should have lists {ROLE_EXAMPLE}") from None


def here() -> Path:
    """The working directory, where relative paths start, so that messages show whole paths. Raises ConfigError."""
    try:
        return Path.cwd()
    except OSError as error:
        raise ConfigError(f"the working directory cannot be used: {in_words(error)}; change to another one") from None


def find_file(path: Path | None) -> Path | None:
    """The file at `path`, or else the one here or beside smanager.py, if there is one; absolute, for messages."""
    path = path or next((path for path in (Path(FILE_NAME), ROOT / FILE_NAME) if path.is_file()), None)
    return path and here() / path


def read_file(path: Path | None) -> ConfigFile:
    """Read the configuration at `path`, or else the one here or beside smanager.py.

    Raises ConfigError if it cannot be read, or is not TOML.
    """
    path = find_file(path)
    if path is None:
        return ConfigFile(None, {})
    try:
        written = tomllib.loads(path.read_bytes().decode("utf-8-sig"))  # an editor may begin it with a byte order mark
    except OSError as error:
        raise ConfigError(f"{path}: {in_words(error)}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}: line {line} is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}") from None
    try:
        return ConfigFile(path, checked(written, ROOT_KEYS))
    except SettingsError as error:
        misplaced = [key for key in written if key in listener.KEYS and key not in ROOT_KEYS]
        hint = f" ({misplaced[0]} belongs in a listener's table, such as [listeners.lan])" if misplaced else ""
        return ConfigFile(path, error.rest, [f"{path}: {problem}{hint}" for problem in error.problems])


def default_services() -> Path:
    """`services` beside smanager.py, where the manager runs from its checkout; else in the working directory."""
    beside = ROOT / "services"
    return beside if beside.is_dir() and (ROOT / "smanager.py").is_file() else here() / "services"


def _require_directories(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The directories, each once, as absolute paths; a link among them keeps its own. Raises ConfigError."""
    problems = []
    for path in paths:
        if not path.is_dir():
            problem = "is not a directory" if path.exists() else "does not exist"
            problems.append(f"the services directory {path} {problem}; make it, or name another with --services DIR")
    refuse(problems)
    return tuple({path.resolve(): path for path in paths}.values())
