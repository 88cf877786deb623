"""Listeners: what a table means, and what goes together."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Any

import pytest

from smanager.config.checks import SettingsError
from smanager.config.listener import ListenerMode, ListenerSettings, listener_of, why_exposed, with_passed


def listener(**given: Any) -> ListenerSettings:
    return listener_of("lan", given, Path("/base"))


def test_all_that_may_be_given_is_taken() -> None:
    settings = listener(
        tcp="[::1]:0", mode="json", allow=["192.0.2.0/24"], login="required", roles=["view"], tls={"certificate": "c"}
    )
    assert (settings.tcp, settings.mode, settings.login) == (("::1", 0), ListenerMode.JSON, True)
    assert settings.allow == (ipaddress.ip_network("192.0.2.0/24"),)
    assert settings.tls is not None
    assert settings.tls.certificate == Path("/base/c")
    assert (settings.place, settings.given_roles, settings.only_programs) == ("[::1]:0", ("view",), True)


def test_the_defaults() -> None:
    settings = listener(unix="s")
    assert settings == ListenerSettings("lan", unix=Path("/base/s"))
    assert (settings.mode, settings.login, settings.permissions) == (ListenerMode.AUTO, False, 0o600)
    assert settings.given_roles == ("admin",)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"tcp": "a:1", "unix": "s"}, "has tcp and unix; should have one of tcp, unix and systemd"),
        ({"tcp": "a:65536"}, "tcp is 'a:65536', and should be an address such as"),
        ({"unix": "s", "tls": {"certificate": "c"}}, "tls is for tcp; a unix socket's permissions say who may connect"),
        ({"unix": "s", "allow": ["::/0"]}, "allow is for networks; a unix socket's permissions say who may connect"),
        ({"tcp": "a:1", "owner": "x"}, "owner is for unix sockets"),
        ({"tcp": "a:1", "tls": {"key": "k"}}, "tls is {'key': 'k'}, and should be a table such as"),
        ({"tcp": "a:1", "mode": "ssh"}, """mode is 'ssh', and should be one of "auto", "telnet", "raw", "json\""""),
        ({"tcp": "a:1", "login": True}, """login is True, and should be one of "none", "required\""""),
        ({"tcp": "a:1", "allow": ["x"]}, "allow is ['x'], and should be a list of networks"),
        ({"unix": "s", "permissions": "9"}, "permissions is '9', and should be octal digits"),
    ],
)
def test_what_is_wrong_is_named_with_what_would_be_right(given: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=f"^{re.escape(message)}"):
        listener(**given)


def test_what_systemd_opened_takes_the_default_address_unless_a_listener_names_it() -> None:
    default, named = ListenerSettings("default", tcp=("::1", 1)), ListenerSettings("web", systemd="web")
    assert with_passed([default, named], ["web"]) == [default, named]
    assert with_passed([default, named], ["web", "x"]) == [ListenerSettings("x", systemd="x"), named]


@pytest.mark.parametrize(
    ("login", "tls", "danger"),
    [(False, False, "anyone"), (False, True, "anyone"), (True, False, "an eavesdropper"), (True, True, "")],
)
def test_other_machines_need_a_login_and_tls(login: bool, tls: bool, danger: str) -> None:
    given = {"tcp": "a:1", "login": "required" if login else "none", **({"tls": {"certificate": "c"}} if tls else {})}
    assert why_exposed(listener(**given)).startswith(danger)
    assert bool(why_exposed(listener(**given))) == bool(danger)


def test_relays_are_accounts_that_the_system_tells_of() -> None:
    assert listener_of("a", {"unix": "a.sock", "relays": ["ops"]}, Path()).relays == ("ops",)
    assert listener_of("a", {"systemd": "a", "relays": ["ops"]}, Path()).relays == ("ops",)
    with pytest.raises(SettingsError, match="relays is for unix sockets"):
        listener_of("a", {"tcp": "127.0.0.1:1", "relays": ["ops"]}, Path())
