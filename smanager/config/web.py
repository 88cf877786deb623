"""The web page: where it is served, and who may use it there: `[web]` of `smanager.toml`, checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from smanager.access.origin import address_text
from smanager.config import checks
from smanager.config.checks import SettingsError, checked, keys_of, setting
from smanager.config.listener import Tls, is_loopback, network, tls_files
from smanager.config.shipped import ShippedService, Tables
from smanager.service import VIEW

SERVICE = "webpage"
FILE = Path(__file__).parents[1] / "web" / "webpage.py"
"""The service that serves the page, and the file of its class."""

DEFAULT_PORTS = {"http": 80, "https": 443}


@checks.expected('an address that browsers show, such as "https://box.example" or "http://box.example:8080"')
def _origin(value: object) -> str:
    """An origin as browsers send it (RFC 6454, 6.2)."""
    match = re.fullmatch(r"(https?)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(\d{1,5}))?/?", checks.text(value).lower())
    if not match or int(match[3] or 0) > checks.HIGHEST_PORT:
        raise ValueError
    scheme, host, port = match.groups()
    return f"{scheme}://{host}" + (f":{port}" if port and int(port) != DEFAULT_PORTS[scheme] else "")


@dataclass(frozen=True, slots=True)
class WebSettings:
    """Where the page is served, and to whom."""

    listen: tuple[str, int] = setting(
        checks.address("127.0.0.1:10001", "[::1]:10001"),
        "address and port of the page; port 0 picks a free port",
        "127.0.0.1:10001",
    )
    origins: tuple[str, ...] = setting(
        checks.list_of(_origin, 'a list of addresses such as ["https://box.example"]'),
        "addresses by which browsers reach the page, through a proxy or by a name, besides those of this machine alone",
        [],
    )
    proxies: tuple[Any, ...] = setting(
        checks.list_of(network, 'a list of networks such as ["127.0.0.1"]'),
        "proxies whose X-Forwarded-For header says where a browser is",
        [],
    )
    tls: Tls | None = setting(tls_files, "files for TLS: a table with certificate, key and client_ca")
    login: bool | None = setting(
        checks.one_of({"none": False, "required": True}),
        "whether users have to log in even to look; by default required, unless browsers of this machine alone reach "
        "the page",
    )
    insecure: bool = setting(checks.boolean, "whether other machines may reach the page without TLS", False)


KEYS = keys_of(WebSettings)


def service_settings(given: Mapping[str, Any], base: Path) -> dict[str, Any]:
    """The settings of the service that serves the page. Raises SettingsError."""
    settings = WebSettings(**checked(given, KEYS))
    host, port = settings.listen
    is_near = is_loopback(host) or host == "localhost"
    is_local = is_near and not settings.origins and not settings.proxies
    login = not is_local if settings.login is None else settings.login
    if not login and not is_local:
        raise SettingsError('login is "none", and others than browsers of this machine reach the page; remove the key')
    if not is_near and not settings.tls and not settings.insecure:
        place = address_text(host or "(all)", port)
        raise SettingsError(
            f"{place} can be reached from other machines, and an eavesdropper could read every login; use 127.0.0.1 "
            "with ssh or a proxy, or tls, or set insecure = true if you mean it"
        )
    tls = settings.tls and settings.tls.at(base)
    if tls:
        from smanager.config.certificates import tls_context

        tls_context(tls)  # what is wrong with the files is told at once
    roles = [] if login else [VIEW]
    return {
        "options": {
            "listen": [host, port],
            "origins": list(settings.origins),
            "proxies": list(map(str, settings.proxies)),
            "tls": tls and {name: str(path) for name, path in asdict(tls).items() if path},
            "login": login,
            "roles": roles,
        },
        "roles": roles,
        "logs_in": ["password", "token", *(["certificate"] if tls and tls.client_ca else [])],
    }


def shipped(tables: Tables) -> ShippedService:
    """The service that serves the page."""
    settings: dict[str, Any] = {}
    with tables.table("web"):
        settings = service_settings(tables.given["web"], tables.base)
    return ShippedService(SERVICE, FILE, settings)
