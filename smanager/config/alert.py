"""Alerts: what each is about, and how it is delivered; checked, for the service that tells of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from smanager.alerts.message import NAMES, SAMPLE, is_json
from smanager.alerts.rules import EXAMPLE, RECOVERED, Rule
from smanager.alerts.secret import EXAMPLE as SECRET_EXAMPLE
from smanager.alerts.secret import REFERENCE, with_paths
from smanager.commands.types import seconds_of
from smanager.config import checks
from smanager.config.checks import SettingsError, checked, keys_of, setting
from smanager.config.listener import is_loopback
from smanager.config.shipped import ShippedService, Tables
from smanager.service import ADMIN, VIEW
from smanager.terminal.wording import listed

SERVICE = "alerts"
FILE = Path(__file__).parents[1] / "alerts" / "alerts.py"
"""The service that tells of alerts, and the file of its class."""

TEMPLATE_LIMIT = 64 * 1024  # characters: as much as any receiver takes
SHORTEST = 1.0  # seconds of a span: less is a slip of the finger
STARTTLS, TLS, NONE = "starttls", "tls", "none"


@checks.expected('a time span from "1s", such as "5m", or a number of seconds')
def _span(value: object) -> float:
    if (span := checks.seconds(seconds_of(value))) < SHORTEST:
        raise ValueError
    return span


TEXTS = f"a list of texts such as {EXAMPLE}"


@checks.expected(TEXTS)
def _texts(value: object) -> tuple[str, ...]:
    if texts := checks.list_of(checks.text, "")(value):
        return texts
    raise ValueError


def _on(value: object) -> tuple[str, ...]:
    """What an alert is about, each text in one form."""
    texts = [" ".join(text.split()) for text in _texts(value)]
    for text in texts:
        try:
            if text != RECOVERED:
                Rule.of(text)
        except ValueError as error:
            raise ValueError(f"{TEXTS}, not {error}") from None
    if not set(texts) - {RECOVERED}:
        raise ValueError('a list with something to recover from, such as ["failed", "recovered"]')
    return tuple(dict.fromkeys(texts))


@checks.expected(SECRET_EXAMPLE)
def _secret(value: object) -> str:
    text = checks.text(value)
    with_paths(text, Path())
    if not text.isprintable():
        raise ValueError
    return text


def _headers(value: object) -> dict[str, str]:
    given = checks.table('a table of text, such as { Authorization = "Bearer ${env:TOKEN}" }', of=str)(value)
    for name, text in given.items():
        if not name.isascii() or not name.replace("-", "").isalnum():
            raise ValueError(f"a table whose names have only letters, digits and dashes, unlike {name!r:.60}")
        try:
            _secret(text).encode("latin-1")
        except UnicodeEncodeError:
            raise ValueError(f"a table of text in Latin-1; the value of {name} has other characters") from None
        except ValueError as error:
            raise ValueError(f"a table of text; the value of {name} should be one line of {error}") from None
    return given


def _template(value: object) -> str:
    text = checks.text(value)
    if len(text) > TEMPLATE_LIMIT:
        raise ValueError(f"at most {TEMPLATE_LIMIT} characters")
    try:
        SAMPLE.filled(text, is_json=False)
    except KeyError as error:
        raise ValueError(f"text that names only {listed('$' + name for name in NAMES)}, not {error}") from None
    except ValueError:
        raise ValueError("text in which $$ stands for a $ of its own") from None
    return text


@checks.expected('an address such as "ops@example.org"')
def _address(value: object) -> str:
    text = checks.text(value)
    name, _, domain = text.rpartition("@")
    if not (name and domain and text.isascii() and text.isprintable()) or set(text) & set(' ,;<>()"'):
        raise ValueError
    return text


_addresses = checks.list_of(_address, 'a list of addresses such as ["ops@example.org"]')


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """A URL to send a POST to."""

    url: str = setting(
        _secret, "URL, which may have secrets as `${env:NAME}` or `${file:PATH}`", unset="", is_secret=True
    )
    headers: Mapping[str, str] = setting(
        _headers, "headers, which may have secrets in the same way", {}, is_secret=True
    )
    template: str = setting(
        _template,
        "body, with `$text` and other names in it; by default JSON with all of them. Values are escaped for JSON, "
        "unless the header Content-Type says that the body is something else",
        unset="",
    )
    ca: str = setting(
        checks.written_path, "file of the certificates to trust; by default those that the system trusts", unset=""
    )


@dataclass(frozen=True, slots=True)
class MailSettings:
    """A mail server, and whom it has mail for."""

    to: tuple[str, ...] = setting(_addresses, "whom the mail is for", unset=())
    sender: str = setting(_address, "the sender's address", unset="")
    server: tuple[str, int] = setting(
        checks.address("smtp.example.org:587", "localhost:25"), "the mail server's name and port", unset=("", 0)
    )
    tls: str = setting(
        checks.one_of({word: word for word in (STARTTLS, TLS, NONE)}),
        '"tls" from the start, or "none", for a server on this machine only',
        STARTTLS,
    )
    user: str = setting(_secret, "user to log in as; by default nobody", unset="", is_secret=True)
    password: str = setting(_secret, "password, such as `${file:smtp.password}`", unset="", is_secret=True)
    ca: str = setting(
        checks.written_path, "file of the certificates to trust; by default those that the system trusts", unset=""
    )


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """What is told, and to whom, by exactly one of `command`, `webhook` and `mail`."""

    on: tuple[str, ...] = setting(_on, "what the alert is about", unset=())
    services: tuple[str, ...] = setting(
        checks.list_of(checks.text, 'a list of services\' names and patterns, such as ["web*"]'),
        "services that the alert is about",
        ["*"],
    )
    command: tuple[str, ...] = setting(checks.words, "command line that is given the message", unset=())
    webhook: Mapping[str, Any] = setting(
        checks.table('a table such as { url = "https://ntfy.sh/TOPIC" }'), "where to send a POST", {}, is_secret=True
    )
    mail: Mapping[str, Any] = setting(
        checks.table('a table such as { to = ["ops@example.org"] }'), "whom to send a mail, and how", {}, is_secret=True
    )
    quiet: float = setting(_span, "how long a service has to be well until it counts as recovered", "5m")
    repeat: float = setting(_span, "time after which a problem that goes on is told again", "1d")
    most_per_hour: int = setting(
        checks.whole(1, 1000),
        "messages in an hour, after which others wait; those that a problem is over count, and never wait",
        20,
    )
    timeout: float = setting(_span, "time after which an attempt to deliver a message has failed", "30s")
    retry: float = setting(_span, "time for which a message is tried again and again", "1h")


KEYS = keys_of(AlertSettings)
WEBHOOK_KEYS = keys_of(WebhookSettings)
MAIL_KEYS = keys_of(MailSettings)
WAYS = ("command", "webhook", "mail")


def alert_of(name: str, given: Mapping[str, Any], base: Path) -> dict[str, Any]:
    """Check an alert's table; return all its settings, with paths from `base`. Raises SettingsError."""
    if not name.isprintable() or not name.strip() or name[0] == "-":
        raise SettingsError(f"has the name {name!r}, and should have one of printable characters without a dash first")
    settings = AlertSettings(**checked(given, KEYS))
    if not settings.on:
        raise SettingsError(f"on is missing; it should be {TEXTS}")
    ways = [key for key in WAYS if given.get(key)]
    if len(ways) != 1:
        found = f"{listed(ways)} are given" if ways else "how to deliver it is missing"
        raise SettingsError(f"{found}; it should have exactly one of {listed(WAYS)}")
    made = asdict(settings)
    if settings.webhook:
        made["webhook"] = _webhook(settings.webhook, base)
    if settings.mail:
        made["mail"] = _mail(settings.mail, base)
    return made


def _webhook(given: Mapping[str, Any], base: Path) -> dict[str, Any]:
    settings = WebhookSettings(**_inner("webhook", given, WEBHOOK_KEYS))
    if not settings.url:
        raise SettingsError("webhook has no url; it should be such as https://ntfy.sh/TOPIC")
    if not REFERENCE.match(settings.url) and not settings.url.startswith(("http://", "https://")):
        raise SettingsError("the url of webhook should begin with http:// or https://")
    types = [text for name, text in settings.headers.items() if name.lower() == "content-type"]
    if settings.template and all(map(is_json, types)):
        try:
            json.loads(SAMPLE.filled(settings.template, is_json=True))
        except ValueError:
            raise SettingsError(
                'the template of webhook should be JSON, with each name in quotes, such as {"text": "$text"}; or the '
                'headers should say what it is, such as { Content-Type = "text/plain" }'
            ) from None
    headers = {name: with_paths(text, base) for name, text in settings.headers.items()}
    return {
        **asdict(settings),
        "url": with_paths(settings.url, base),
        "headers": headers,
        "ca": _file(settings.ca, base),
    }


def _mail(given: Mapping[str, Any], base: Path) -> dict[str, Any]:
    settings = MailSettings(**_inner("mail", given, MAIL_KEYS))
    for key in ("to", "sender", "server"):
        if not given.get(key):
            raise SettingsError(f"mail has no {key}; it should be {MAIL_KEYS[key].values}")
    if bool(settings.user) != bool(settings.password):
        raise SettingsError("mail has one of user and password, and should have both or neither")
    if settings.tls == NONE and settings.server[0] != "localhost" and not is_loopback(settings.server[0]):
        raise SettingsError('the tls of mail is "none", which is for a server on this machine, such as "localhost:25"')
    return {
        **asdict(settings),
        "user": with_paths(settings.user, base),
        "password": with_paths(settings.password, base),
        "ca": _file(settings.ca, base),
    }


def _inner(key: str, given: Mapping[str, Any], keys: Mapping[str, checks.Key]) -> dict[str, Any]:
    """The values of a table in an alert's."""
    try:
        return checked(given, keys)
    except SettingsError as error:
        raise SettingsError(*(f"{key}: {problem}" for problem in error.problems)) from None


def _file(written: str, base: Path) -> str:
    return str(base / written) if written else ""


def shipped(tables: Tables) -> ShippedService:
    """The service that tells of alerts: of blocked logins, too, if it has the role of those who may know of them."""
    alerts = tables.each(SERVICE, lambda name, given: alert_of(name, given, tables.base))
    is_about_logins = any("login blocked" in alert["on"] for alert in alerts.values())
    return ShippedService(
        SERVICE, FILE, {"options": {"alerts": alerts}}, {"roles": [ADMIN if is_about_logins else VIEW]}
    )
