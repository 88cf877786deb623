"""The command line's options, and together with `smanager.toml` the configuration of one run of the manager."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from smanager import __version__
from smanager.commands.option_parser import OptionParser
from smanager.config import checks
from smanager.config.file import (
    FILE_NAME,
    ROOT_KEYS,
    ConfigError,
    ConfigFile,
    RootSettings,
    ServicesConfig,
    default_services,
    find_file,
    here,
    read_file,
    refuse,
)
from smanager.config.listener import DEFAULT_NAME, ListenerSettings
from smanager.config.place import Place, place_of, systemds_directory
from smanager.system.accounts import user_id
from smanager.system.trust import why_untrusted

OVERRIDING = ("host", "port", "insecure", "max_sessions", "state_dir", "allow_writable")
"""The options that replace keys of the file."""

SHELLS = ("bash", "zsh", "fish")


class Config(NamedTuple):
    """The configuration of one run of the manager."""

    options: argparse.Namespace
    """The options as given: of these, `console`, `check`, `docs` and `verbose` count only here."""
    root: RootSettings  # what stands in the file outside of tables, or is replaced by an option
    services: ServicesConfig
    place: Place
    read_services: Callable[[], ServicesConfig]  # reads the services' part anew; raises ConfigError

    @property
    def state_dir(self) -> Path | None:
        """The state directory that is configured or systemd's; None for the one in the configuration's place."""
        return self.root.state_dir or systemds_directory()


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line. Exits with status 2 for wrong options."""
    made = parser()
    options = made.parse_args(arguments)
    if word := next(iter(options.words), ""):
        if options.console or options.check or options.docs:
            made.error(f"{word} is a command for the manager that runs: give it alone")
        if "/" in word and Path(word).is_dir():
            made.error(f"{word} is a directory; `--services {word}` starts a manager with it")
    return options


def whereabouts(options: argparse.Namespace) -> tuple[Place, Path | None]:
    """The place of the configuration and its configured state directory, even if the configuration is wrong."""
    path, state_dir = find_file(options.config), options.state_dir
    if path and not state_dir:
        with suppress(ConfigError):
            state_dir = read_file(path).settings.state_dir
    return place_of(path, options.services or [default_services()]), state_dir or systemds_directory()


def config_of(options: argparse.Namespace) -> Config:
    """The configuration of a run with these options; what is wrong with it is in `services.problems`.

    Raises ConfigError, with all that is wrong so far, if the rest cannot be used either.
    """
    file = read_file(options.config)
    if options.web:
        file = replace(file, given={"web": {}, **file.given})
    given = {name: value for name in OVERRIDING if (value := getattr(options, name)) is not None}
    root = replace(file.settings, **given)
    listeners = _listeners(file, options, root, is_default=bool({"host", "port"} & {*file.given, *given}))
    try:
        services = file.services(options.services, root.allow_writable)
        refuse(_untrusted(file, options, services))
    except ConfigError as error:
        raise ConfigError(*file.problems, *error.problems) from None
    return Config(
        options=options,
        root=root,
        services=services._replace(listeners=tuple(listeners), problems=tuple(file.problems)),
        place=place_of(file.path, services.directories),
        read_services=lambda: config_of(options).services,
    )


def _untrusted(file: ConfigFile, options: argparse.Namespace, services: ServicesConfig) -> list[str]:
    """Why the configuration, and what it names, cannot be trusted; services files are looked at when they are read."""
    # What stands in a file cannot make the file itself trusted.
    paths = [file.path] if file.path and not options.allow_writable else []
    problems = []
    if not services.allow_writable:
        paths += services.directories
        for path, user in services.env_files:
            with suppress(LookupError):  # of a user who does not exist, the program's start tells
                problems.append(why_untrusted(path, user_id(user) if user else 0))
    problems = [*map(why_untrusted, paths), *problems]
    return [f"{problem}, and --allow-writable accepts it" for problem in problems if problem]


def _listeners(
    file: ConfigFile, options: argparse.Namespace, root: RootSettings, is_default: bool
) -> list[ListenerSettings]:
    """The file's listeners, that of `--unix`, and the default one if it is wanted or alone."""
    listeners = file.listeners()
    if options.unix:
        listeners.append(ListenerSettings("--unix", unix=options.unix))
    if not listeners or is_default:
        default = ListenerSettings(
            DEFAULT_NAME, tcp=(root.host, root.port), insecure=root.insecure, max_sessions=root.max_sessions
        )
        listeners.insert(0, default)
    _check_listeners(listeners, file)
    return listeners


def _check_listeners(listeners: Sequence[ListenerSettings], file: ConfigFile) -> None:
    """Note if two listeners have one place, or one gives a role that does not exist."""
    names: dict[Path, str] = {}
    for listener in listeners:
        with file.table(f"listeners.{listener.name}"):
            for role in listener.roles or ():
                file.require_role(role)
        if listener.unix:
            other = names.setdefault(listener.unix, listener.name)
            if other != listener.name:
                file.problems.append(f"{listener.unix} is listened on twice, by {other} and {listener.name}")


class _Complete(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, namespace: object, shell: Any, option: object = None) -> None:
        from smanager.config.completion import script  # the manager does not need it

        print(script(shell, parser), end="")
        parser.exit()


def parser() -> argparse.ArgumentParser:
    options = OptionParser(
        prog="smanager",
        description="Keep services running, and give people, scripts and programs limited access to them.",
        usage="smanager [options] [attach | COMMAND ...]",
        epilog="`smanager attach` opens the shell of the manager that runs, and `smanager COMMAND` runs one command of "
        "it, with the exit status of tshell. `smanager user` and `smanager token` edit the users who may log in, and "
        "`smanager fleet` sets up the hub of a fleet; each has its own `--help`.",
    )
    add = options.add_argument
    add(
        "--config",
        metavar="FILE",
        type=_path,
        help=f"the configuration (default: {FILE_NAME} here or beside smanager.py, if there is one)",
    )
    add(
        "--services",
        metavar="DIR",
        type=_path,
        action="append",
        help="a directory of services files; may be repeated (default: `services` beside smanager.py or here)",
    )
    add("--host", help=_help("host"))
    add("--port", type=_number("port"), help=_help("port"))
    add("--unix", metavar="PATH", type=_path, help="a unix socket to listen on as well")
    add("--insecure", action="store_const", const=True, help="allow other machines to connect to --host and --port")
    add("--max-sessions", metavar="N", type=_number("max_sessions"), help=_help("max_sessions"))
    add("--web", action="store_true", help="serve a web page as well, by default for this machine's browsers")
    add("--state-dir", metavar="DIR", type=_path, help=_help("state_dir"))
    add("--allow-writable", action="store_const", const=True, help=_help("allow_writable"))
    add("--console", action="store_true", help="run a shell on this terminal or pipe, and open no port")
    add("--check", action="store_true", help="import and describe all services, and start none")
    add("--docs", action="store_true", help="print the reference of all commands, as Markdown")
    add("--complete", choices=SHELLS, action=_Complete, help="print a completion script for this shell")
    add("--json", action="store_true", help="print the answer to a command as JSON")
    add("-v", "--verbose", action="store_true", help="log more")
    add("--version", action="version", version=f"smanager {__version__}")
    add("words", nargs=argparse.REMAINDER, metavar="COMMAND", help="`attach`, or a command for the manager that runs")
    return options


def _help(name: str) -> str:
    """The help of an option that replaces a key of the file."""
    key = ROOT_KEYS[name]
    return key.meaning if key.default is None else f"{key.meaning} (default: {key.default})"


def _path(text: str) -> Path:
    """An option's path; raises ConfigError if the working directory, where a relative one starts, is gone."""
    try:
        path = checks.path(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} should be {error}") from None
    return path if path.is_absolute() else here() / path


def _number(name: str) -> Callable[[str], int]:
    """A number that the key of that name may have in the file."""

    def number(text: str) -> int:
        try:
            checked: int = ROOT_KEYS[name].check(int(text) if text.isdecimal() else text)
            return checked
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text!r} should be {error}") from None

    return number
