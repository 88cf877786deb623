"""Where clients may connect, and how the manager treats them there: `[listeners.NAME]` of `smanager.toml`, checked."""

from __future__ import annotations

import errno
import ipaddress
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from smanager.config import checks
from smanager.config.checks import SettingsError, checked, keys_of, setting
from smanager.service import ADMIN

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

DEFAULT_NAME = "default"  # the listener that the options and the keys outside `[listeners]` describe


class ListenerMode(Enum):
    """What a listener takes its clients for."""

    AUTO = "auto"  # decided by the first moments of each connection
    TELNET = "telnet"  # people on telnet, who are greeted at once
    RAW = "raw"  # scripts, whenever they begin to speak
    JSON = "json"  # programs: each line is a JSON-RPC 2.0 request


def address(value: object) -> tuple[str, int]:
    match = isinstance(value, str) and re.fullmatch(r"(?:\[([^\]\0]+)\]|([^:\[\]\0]*)):(\d{1,5})", value)
    if not match or int(match[3]) > checks.HIGHEST_PORT:
        raise ValueError('an address such as "127.0.0.1:10000" or "[::1]:10000"')
    return match[1] or match[2], int(match[3])


def network(value: object) -> Network:
    return ipaddress.ip_network(checks.text(value))


def tls_files(value: object) -> Tls:
    with suppress(SettingsError):
        if isinstance(value, dict) and "certificate" in value:
            return Tls(**checked(value, TLS_KEYS))
    what = 'such as { certificate = "cert.pem", key = "key.pem" }, and client_ca for clients with certificates'
    raise ValueError(f"a table {what}")


@dataclass(frozen=True, slots=True)
class Tls:
    """The files of a TLS listener."""

    certificate: Path = setting(checks.path, "certificate file, in PEM", unset=Path())
    key: Path | None = setting(checks.path, "key file, in PEM; by default the key is in the certificate's file")
    client_ca: Path | None = setting(
        checks.path, "certificate file, in PEM, of the authority whose client certificates prove who the client is"
    )

    def at(self, base: Path) -> Tls:
        """The same files, with relative paths starting at `base`."""
        return Tls(base / self.certificate, self.key and base / self.key, self.client_ca and base / self.client_ca)


@dataclass(frozen=True, slots=True)
class ListenerSettings:
    """One place to connect to, which exactly one of `tcp`, `unix` and `systemd` names."""

    name: str
    tcp: tuple[str, int] | None = setting(address, "address and port to listen on; port 0 picks a free port")
    unix: Path | None = setting(checks.path, "path of a unix socket")
    systemd: str | None = setting(checks.text, "name of a socket that systemd opens (its FileDescriptorName=)")
    tls: Tls | None = setting(tls_files, "files for TLS: a table with certificate, key and client_ca")
    mode: ListenerMode = setting(
        checks.one_of({mode.value: mode for mode in ListenerMode}),
        'what clients are: "telnet" (people), "raw" (scripts), "json" (programs), or "auto" to find out',
        "auto",
    )
    allow: tuple[Network, ...] = setting(
        checks.list_of(network, 'a list of networks such as ["192.0.2.0/24"]'),
        "networks that clients may connect from; by default all",
        unset=(),
    )
    login: bool = setting(checks.one_of({"none": False, "required": True}), "whether clients have to log in", "none")
    roles: tuple[str, ...] | None = setting(
        checks.list_of(checks.text, 'a list of roles such as ["view"]'),
        "roles that every client has; by default admin, or no role if a login is required",
    )
    max_sessions: int = setting(checks.whole(1), "number of clients that may be connected at a time", 1000)
    relays: tuple[str, ...] = setting(
        checks.list_of(checks.text, 'a list of accounts such as ["ops"]'),
        "accounts of the machine that may claim on a unix socket to act for another person, such as that of ssh",
        [],
    )
    insecure: bool = setting(
        checks.boolean, "whether other machines may connect without a login, or with a login but without TLS", False
    )
    permissions: int = setting(checks.octal, "permissions of the unix socket's file, as octal digits", "0600")
    owner: str = setting(checks.account, "user who owns the unix socket's file; by default the manager's", unset="")
    group: str = setting(checks.account, "group of the unix socket's file; by default the manager's", unset="")
    is_own: bool = False  # whether it is for the manager's own user and root alone: `smanager attach`

    @property
    def given_roles(self) -> tuple[str, ...]:
        """The roles that every client has: all, if nothing is configured and no login is required."""
        return self.roles if self.roles is not None else (() if self.login else (ADMIN,))

    @property
    def only_programs(self) -> bool:
        return self.mode is ListenerMode.JSON

    @property
    def place(self) -> str:
        """The address, path or name, for messages."""
        if self.tcp:
            host, port = self.tcp
            return f"[{host}]:{port}" if ":" in host else f"{host or '(all)'}:{port}"
        return str(self.unix) if self.unix else f"systemd's {self.systemd}"

    @property
    def socket(self) -> str:
        """What tells its socket from others: the place, and where the system picks the port, the name as well."""
        return f"{self.name} at {self.place}" if self.tcp and not self.tcp[1] else self.place


TLS_KEYS = keys_of(Tls)
KEYS = keys_of(ListenerSettings)  # the keys of `[listeners.NAME]`


def listener_of(name: str, given: Mapping[str, object], base: Path) -> ListenerSettings:
    """Check a listener's table; relative paths start at `base`. Raises SettingsError."""
    settings = ListenerSettings(name, **checked(given, KEYS))
    places = [name for name in ("tcp", "unix", "systemd") if name in given]
    if len(places) != 1:
        raise SettingsError(f"has {' and '.join(places) or 'no address'}; should have one of tcp, unix and systemd")
    if settings.unix and settings.tls:
        raise SettingsError("tls is for tcp; a unix socket's permissions say who may connect")
    for name in ("permissions", "owner", "group"):
        if name in given and not settings.unix:
            raise SettingsError(f"{name} is for unix sockets")
    if settings.relays and settings.tcp:
        raise SettingsError("relays is for unix sockets, where the system tells who connects")
    if settings.allow and settings.unix:
        raise SettingsError("allow is for networks; a unix socket's permissions say who may connect")
    return replace(settings, unix=settings.unix and base / settings.unix, tls=settings.tls and settings.tls.at(base))


def with_passed(listeners: Sequence[ListenerSettings], names: Iterable[str]) -> list[ListenerSettings]:
    """Add the sockets that systemd opened: those that no listener names replace the default listener's address."""
    unclaimed = [name for name in names if name not in [listener.systemd for listener in listeners]]
    default = next((listener for listener in listeners if listener.name == DEFAULT_NAME), None)
    if not unclaimed or default is None:
        return list(listeners)
    others = [listener for listener in listeners if listener is not default]
    return [*(replace(default, name=name, tcp=None, systemd=name) for name in unclaimed), *others]


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches an address (RFC 6890, 2.2)."""
    return address.startswith("127.") or address == "::1"


def why_exposed(settings: ListenerSettings) -> str:
    """What makes a listener unsafe that other machines reach; empty if nothing does."""
    if settings.login and settings.tls:
        return ""
    return "anyone could run every command" if not settings.login else "an eavesdropper could read every login"


def why_not_listening(error: OSError) -> str:
    """What is wrong with an address, and what would be right."""
    remedies = {
        errno.EADDRINUSE: "is another SManager running? try another port",
        errno.EADDRNOTAVAIL: "it should be an address of this machine",
        errno.EPERM: "only root may give a unix socket to another owner, or to a group that it is not in",
        errno.EACCES: "a port below 1024 needs root, and a unix socket a directory that can be written",
    }
    number = error.errno or errno.EADDRNOTAVAIL  # asyncio gives no number after trying several addresses of a name
    return "; ".join(filter(None, [os.strerror(number).lower(), remedies.get(number)]))
