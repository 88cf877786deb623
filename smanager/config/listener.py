"""Where clients may connect, and what they meet there: `[listeners.NAME]` of `smanager.toml`, checked."""

from __future__ import annotations

import errno
import ipaddress
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import Enum
from pathlib import Path
from typing import Any

from smanager.config.service import SettingsError, boolean, checked, list_of, some, text
from smanager.service import ADMIN

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

DEFAULT_NAME = "default"
"""Of the listener that the options and the keys outside `[listeners]` are about."""

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 10000
DEFAULT_MOST_SESSIONS = 1000


class Mode(Enum):
    """What a listener takes its clients for."""

    AUTO = "auto"
    """Whatever their first moments show."""
    TELNET = "telnet"
    """People on telnet: they are greeted at once."""
    RAW = "raw"
    """Scripts, whenever they begin to speak."""
    JSON = "json"
    """Programs: each line is JSON-RPC 2.0."""


@dataclass(frozen=True, slots=True)
class Tls:
    """The files of a TLS listener, in PEM."""

    certificate: Path
    key: Path | None = None
    """Where it is not in the certificate's file."""
    client_ca: Path | None = None
    """The authority of the clients' certificates, where these may say who they are."""

    def at(self, base: Path) -> Tls:
        """The same files, where relative paths start at `base`."""
        return Tls(base / self.certificate, self.key and base / self.key, self.client_ca and base / self.client_ca)


@dataclass(frozen=True, slots=True)
class ListenerSettings:
    """One place to connect to; exactly one of `tcp`, `unix` and `systemd` says where."""

    name: str
    tcp: tuple[str, int] | None = None
    """A host and a port; port 0 picks a free one."""
    unix: Path | None = None
    systemd: str | None = None
    """The name of a socket that systemd opens (FileDescriptorName=)."""
    tls: Tls | None = None
    mode: Mode = Mode.AUTO
    allow: tuple[Network, ...] = ()
    """Only clients of these networks, where there are any."""
    login: bool = False
    roles: tuple[str, ...] | None = None
    """The roles that everybody has there."""
    max_sessions: int = DEFAULT_MOST_SESSIONS
    insecure: bool = False
    """Whether it may be reached by other machines without a login, or with one that can be overheard."""
    permissions: int = 0o600
    """Of the unix socket's file."""
    owner: str = ""
    group: str = ""

    @property
    def given_roles(self) -> tuple[str, ...]:
        """What everybody may be who connects: all, where there is no login and nothing else is said."""
        return self.roles if self.roles is not None else (() if self.login else (ADMIN,))

    @property
    def only_programs(self) -> bool:
        return self.mode is Mode.JSON

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        if self.tcp:
            host, port = self.tcp
            return f"[{host}]:{port}" if ":" in host else f"{host or '(all)'}:{port}"
        return str(self.unix) if self.unix else f"systemd's {self.systemd}"


def _address(value: object) -> tuple[str, int]:
    match = re.fullmatch(r"(?:\[([^\]]+)\]|([^:\[\]]*)):(\d{1,5})", text(value))
    if not match or int(match[3]) > 65535:
        raise ValueError('an address such as "127.0.0.1:10000" or "[::1]:10000"')
    return match[1] or match[2], int(match[3])


def _path(value: object) -> Path:
    return Path(text(value)).expanduser()


def _mode(value: object) -> Mode:
    try:
        return Mode(value)
    except ValueError:
        raise ValueError("one of " + ", ".join(f'"{mode.value}"' for mode in Mode)) from None


def _network(value: object) -> Network:
    try:
        return ipaddress.ip_network(text(value))
    except ValueError:
        raise ValueError('a list of networks such as "192.0.2.0/24"') from None


def _login(value: object) -> bool:
    if value not in ("none", "required"):
        raise ValueError('"none" or "required"')
    return value == "required"


def _permissions(value: object) -> int:
    if not isinstance(value, str) or not re.fullmatch("0?[0-7]{3}", value):
        raise ValueError('octal digits in quotes, such as "0660"')
    return int(value, 8)


def _tls(value: object) -> Tls:
    names = [field.name for field in fields(Tls)]
    what = 'a table such as { certificate = "cert.pem", key = "key.pem" }, and client_ca for clients with certificates'
    if not isinstance(value, dict) or "certificate" not in value or not set(value) <= set(names):
        raise ValueError(what)
    try:
        return Tls(**{key: _path(path) for key, path in value.items()})
    except ValueError:
        raise ValueError(what) from None


_CHECKS: Mapping[str, Callable[[object], Any]] = {
    "tcp": _address,
    "unix": _path,
    "systemd": text,
    "mode": _mode,
    "allow": list_of(_network, 'a list of networks such as ["192.0.2.0/24"]'),
    "login": _login,
    "roles": list_of(text, 'a list of roles such as ["view"]'),
    "max_sessions": some,
    "insecure": boolean,
    "permissions": _permissions,
    "owner": text,
    "group": text,
    "tls": _tls,
}

KEYS = tuple(_CHECKS)


def listener_of(name: str, given: object, base: Path) -> ListenerSettings:
    """A listener's table; relative paths start at `base`. Raises SettingsError."""
    if not isinstance(given, dict):
        raise SettingsError(f"is {given!r}, and should be a table")
    found = ListenerSettings(name, **checked(given, _CHECKS))
    _check_together(found, given)
    return replace(found, unix=found.unix and base / found.unix, tls=found.tls and found.tls.at(base))


def _check_together(found: ListenerSettings, given: Mapping[str, object]) -> None:
    places = [key for key in ("tcp", "unix", "systemd") if key in given]
    if len(places) != 1:
        raise SettingsError(f"has {' and '.join(places) or 'no place'}; it should have one of tcp, unix and systemd")
    if found.unix and found.tls:
        raise SettingsError("tls is for tcp; who may open a unix socket is a matter of its permissions")
    for key in ("permissions", "owner", "group"):
        if key in given and not found.unix:
            raise SettingsError(f"{key} is for unix sockets")
    if found.allow and found.unix:
        raise SettingsError("allow is for networks; who may open a unix socket is a matter of its permissions")


def with_passed(listeners: Sequence[ListenerSettings], names: Iterable[str]) -> list[ListenerSettings]:
    """The listeners, where systemd has opened sockets of these names: those that none asks for take the place of the
    address that would be listened on by default."""
    unclaimed = [name for name in names if name not in [one.systemd for one in listeners]]
    default = next((one for one in listeners if one.name == DEFAULT_NAME), None)
    if not unclaimed or default is None:
        return list(listeners)
    others = [one for one in listeners if one is not default]
    return [*(replace(default, name=name, tcp=None, systemd=name) for name in unclaimed), *others]


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches an address (RFC 6890, 2.2)."""
    return address.startswith("127.") or address == "::1"


def why_exposed(settings: ListenerSettings) -> str:
    """What is wrong with a listener that other machines reach; empty where nothing is."""
    if settings.login and settings.tls:
        return ""
    return "anybody could give every command" if not settings.login else "whoever listens in can read every login"


def why_not_listening(error: OSError) -> str:
    """What is wrong with an address, and what would be right."""
    remedies = {
        errno.EADDRINUSE: "is another SManager running? try another port",
        errno.EADDRNOTAVAIL: "it should be an address of this machine",
        errno.EPERM: "only root may give a unix socket to another owner, or to a group that it is not in",
        errno.EACCES: "a port below 1024 needs root, and a unix socket a directory that can be written",
    }
    number = error.errno or errno.EADDRNOTAVAIL  # asyncio tells no number where it has tried all that a name has
    return "; ".join(filter(None, [os.strerror(number).lower(), remedies.get(number)]))
