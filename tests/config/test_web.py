"""The table of the web page: what is made of it, and what is said about a mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from smanager.config import web
from smanager.config.checks import SettingsError
from smanager.config.file import read_file
from smanager.config.options import config_of, parsed

OPEN, LOGIN = {"login": False, "roles": ["view"]}, {"login": True, "roles": []}


def options_of(**given: object) -> dict[str, Any]:
    return dict(web.service_settings(given, Path("/etc"))["options"])


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ({}, {"listen": ["127.0.0.1", 10001], "origins": [], "proxies": [], "tls": None, **OPEN}),
        ({"listen": "[::1]:0"}, {"listen": ["::1", 0], **OPEN}),
        ({"listen": "localhost:80"}, OPEN),
        ({"login": "required"}, LOGIN),
        ({"login": "none"}, OPEN),
        ({"origins": ["https://box.example"]}, LOGIN),
        ({"proxies": ["192.0.2.0/24", "::1"]}, {"proxies": ["192.0.2.0/24", "::1/128"], **LOGIN}),
        ({"listen": "0.0.0.0:80", "insecure": True}, LOGIN),
        ({"listen": "box.lan:80", "insecure": True}, LOGIN),
    ],
)
def test_a_login_is_needed_unless_browsers_of_this_machine_alone_reach_the_page(
    given: dict[str, object], made: dict[str, object]
) -> None:
    found = options_of(**given)
    assert {key: found[key] for key in made} == made


@pytest.mark.parametrize(
    ("written", "origin"),
    [
        ("https://box.example", "https://box.example"),
        ("HTTPS://Box.Example:443/", "https://box.example"),
        ("http://box:80", "http://box"),
        ("http://box:8080", "http://box:8080"),
        ("https://[2001:DB8::1]:8443", "https://[2001:db8::1]:8443"),
    ],
)
def test_an_origin_is_written_as_browsers_send_it(written: str, origin: str) -> None:
    assert options_of(origins=[written])["origins"] == [origin]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"origins": ["box.example"]}, "should be a list of addresses"),
        ({"origins": ["ftp://box.example"]}, "should be a list of addresses"),
        ({"origins": ["https://box.example/page"]}, "should be a list of addresses"),
        ({"origins": ["https://user@box.example"]}, "should be a list of addresses"),
        ({"origins": ["https://box.example:99999"]}, "should be a list of addresses"),
        ({"origins": ["https://*"]}, "should be a list of addresses"),
        ({"origins": "https://box.example"}, "should be a list of addresses"),
        ({"proxies": ["proxy.lan"]}, "should be a list of networks"),
        ({"listen": "10001"}, "should be an address"),
        ({"login": True}, 'should be one of "none", "required"'),
        ({"tls": {"key": "key.pem"}}, "should be a table such as"),
        ({"tls": {"certificate": "none.pem"}}, "/etc/none.pem, /etc/none.pem: No such file"),
        ({"lisen": "x"}, "did you mean listen"),
        ({"listen": "0.0.0.0:80"}, "0.0.0.0:80 can be reached from other machines"),
        ({"listen": ":80"}, "(all):80 can be reached from other machines"),
        ({"listen": "0.0.0.0:80", "insecure": True, "login": "none"}, 'login is "none", and others than browsers of'),
        ({"origins": ["https://box.example"], "login": "none"}, 'login is "none", and others than browsers of'),
    ],
)
def test_what_is_wrong_is_told_with_what_would_be_right(given: dict[str, object], problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        options_of(**given)
    assert problem in str(caught.value)


def test_the_table_alone_adds_the_service_and_has_the_last_word(tmp_path: Path) -> None:
    (tmp_path / "smanager.toml").write_text('[web]\n[services.webpage]\nlog_files = 2\nroles = ["admin"]\n')
    services = read_file(tmp_path / "smanager.toml").services([tmp_path])
    assert services.shipped == (web.FILE,)
    settings = services.settings["webpage"]
    assert (settings["log_files"], settings["roles"], settings["logs_in"]) == (2, ["view"], ["password", "token"])


@pytest.mark.parametrize(("text", "port"), [("", 10001), ('[web]\nlisten = "127.0.0.1:8000"\n', 8000)])
def test_the_option_adds_the_page_as_it_is_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, port: int
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "services").mkdir()
    (tmp_path / "smanager.toml").write_text(text)
    config = config_of(parsed(["--web", "--services", str(tmp_path / "services")]))
    assert config.services.settings["webpage"]["options"]["listen"] == ["127.0.0.1", port]
    assert config.read_services().shipped == (web.FILE,)
