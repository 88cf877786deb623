"""The fleet that this box belongs to: `[fleet]` of `smanager.toml`, checked, for the service that takes commands."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from smanager.config import checks
from smanager.config.checks import SettingsError, checked, keys_of, setting
from smanager.config.shipped import ShippedService, Tables
from smanager.fleet.hub import SERVER_EXAMPLE, HubAccess, server_of, why_unsafe
from smanager.fleet.subjects import NAME_EXAMPLE, is_name

SERVICE = "fleet"
FILE = Path(__file__).parents[1] / "fleet" / "node.py"
"""The service that takes a fleet's commands, and the file of its class."""


@checks.expected(NAME_EXAMPLE)
def _name(value: object) -> str:
    if not is_name(value):
        raise ValueError
    return str(value)


@checks.expected(f'a table such as {{ site = "lab3" }}, with names and values of {NAME_EXAMPLE}')
def _labels(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not all(is_name(part) for pair in value.items() for part in pair):
        raise ValueError
    return value


@checks.expected('a table such as { alice = ["operate"] }')
def _roles(value: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, dict) or not all(map(is_name, value)):
        raise ValueError
    return {user: checks.list_of(checks.text, "")(roles) for user, roles in value.items()}


@dataclass(frozen=True, slots=True)
class FleetSettings:
    """Where the hub is, and what its users may do here."""

    servers: tuple[str, ...] = setting(
        checks.list_of(server_of, f"a list with {SERVER_EXAMPLE}"),
        "addresses of the hub's servers, of which any one will do",
        [],
    )
    name: str = setting(_name, "this box's name in the fleet; by default its host name, up to the first dot", unset="")
    labels: Mapping[str, str] = setting(_labels, "what this box is, for commands to all boxes that are it", {})
    credentials: Path | None = setting(
        checks.path, "file of an nkey's seed, or of NATS credentials, that only its owner may read"
    )
    ca: Path | None = setting(checks.path, "file of the authority that has signed the hub's certificate")
    roles: Mapping[str, tuple[str, ...]] = setting(
        _roles, "roles here of the hub's users; without any, they may do nothing", {}
    )
    user: Path | None = setting(
        checks.path, "file of a user of the hub, as whom admins here may ask other boxes by `fleet on`"
    )
    insecure: bool = setting(checks.boolean, "whether a hub on another machine may lack TLS or logins", False)


KEYS = keys_of(FleetSettings)


def shipped(tables: Tables) -> ShippedService:
    """The service that takes the fleet's commands: each user of the hub is one of its names, with roles of its own."""
    with tables.table(SERVICE):
        settings, base = FleetSettings(**checked(tables.given[SERVICE], KEYS)), tables.base
        access = _access(settings, base)
        for role in {role for roles in settings.roles.values() for role in roles}:
            tables.require_role(role)
        options = {
            "servers": access.servers,
            "credentials": access.credentials and str(access.credentials),
            "ca": access.ca and str(access.ca),
            "insecure": access.insecure,
            "name": settings.name or _host_name(),
            "labels": settings.labels,
            "user": settings.user and str(base / settings.user),
            "users": {user: user_at(user, access) for user in settings.roles},
        }
        roles_as = {user_at(user, access): list(roles) for user, roles in settings.roles.items()}
        return ShippedService(SERVICE, FILE, {"options": options, "roles_as": roles_as})
    return ShippedService(SERVICE, FILE, {})


def user_at(user: str, access: HubAccess) -> str:
    """What the audit journal calls a hub's user."""
    return f"{user}@{access.name}"


def _access(settings: FleetSettings, base: Path) -> HubAccess:
    """Raises SettingsError."""
    if not settings.servers:
        raise SettingsError(f"servers is missing; it should be a list with {SERVER_EXAMPLE}")
    credentials, ca = (path and base / path for path in (settings.credentials, settings.ca))
    access = HubAccess(settings.servers, credentials, ca, settings.insecure)
    if problem := why_unsafe(access):
        raise SettingsError(f"servers has {access.name}, where {problem}, or say insecure if you mean it")
    return access


def _host_name() -> str:
    """Raises SettingsError."""
    name = socket.gethostname().partition(".")[0]
    if not is_name(name):
        raise SettingsError(f"the host name is {name!r}; give the box another name, of {NAME_EXAMPLE}")
    return name
