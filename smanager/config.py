"""What the manager is told at its start: options, checked, as one frozen record."""

from __future__ import annotations

import argparse
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from smanager import __version__

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 10000
DEFAULT_MOST_SESSIONS = 1000

ROOT = Path(__file__).resolve().parents[1]


class ConfigError(Exception):
    """Something that the manager cannot start with; the text says what would be right."""


@dataclass(frozen=True, slots=True)
class Config:
    services: tuple[Path, ...]
    host: str
    port: int
    most_sessions: int
    console: bool
    check: bool
    verbose: bool


def read(arguments: Sequence[str] | None = None) -> Config:
    """The command line's options. Exits with 2 where they are no options; raises ConfigError where they don't fit."""
    options = parser().parse_args(arguments)
    if not options.insecure and not (options.console or options.check):
        require_loopback(options.host, options.port)
    return Config(
        services=tuple(checked_directory(path) for path in options.services or [default_services()]),
        host=options.host,
        port=options.port,
        most_sessions=options.max_sessions,
        console=options.console,
        check=options.check,
        verbose=options.verbose,
    )


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="smanager",
        description="Keeps services running, and gives people, scripts and programs their commands over one port.",
    )
    options.add_argument(
        "--services",
        metavar="DIR",
        type=Path,
        action="append",
        help="a directory of services, may be given again (default: `services` beside smanager.py or here)",
    )
    options.add_argument("--host", default=DEFAULT_HOST, help="the address to listen on (default: %(default)s)")
    options.add_argument(
        "--port", type=port_number, default=DEFAULT_PORT, help="the port; 0 picks a free one (default: %(default)s)"
    )
    options.add_argument("--insecure", action="store_true", help="allow an address that other machines reach")
    options.add_argument(
        "--max-sessions",
        metavar="N",
        type=positive,
        default=DEFAULT_MOST_SESSIONS,
        help="connections served at a time (default: %(default)s)",
    )
    options.add_argument("--console", action="store_true", help="a shell on this terminal or pipe, and no port")
    options.add_argument("--check", action="store_true", help="import and describe all services, start nothing")
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


def default_services() -> Path:
    """`services` beside smanager.py, where the manager runs from its checkout; else in the working directory."""
    beside = ROOT / "services"
    return beside if beside.is_dir() and (ROOT / "smanager.py").is_file() else Path("services")


def checked_directory(path: Path) -> Path:
    if not path.is_dir():
        what = "is no directory" if path.exists() else "is not there"
        raise ConfigError(f"the services directory {path} {what}; make it, or name another with --services DIR")
    return path.resolve()


def require_loopback(host: str, port: int) -> None:
    """Raise ConfigError where other machines could reach the address: whoever connects may give every command."""
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:  # UnicodeError: a name that cannot be one, as in "a..b"
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"--host {host}: {reason}; it should be an address of this machine") from None
    if not all(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]).is_loopback for entry in found):
        raise ConfigError(
            f"--host {host or '(all)'} can be reached from other machines, and there is no login yet: anybody could "
            f"give every command; use {DEFAULT_HOST} with an ssh tunnel, or add --insecure if you mean it"
        )
