"""The tables of alerts: their defaults, what is wrong with some, and what no message shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from smanager.config.alert import FILE, alert_of
from smanager.config.checks import SettingsError
from smanager.config.file import read_file

BASE = Path("/etc/box")
MAIL = {"to": ["ops@example.org"], "sender": "box@example.org", "server": "smtp.example.org:587"}


def alert(**table: Any) -> dict[str, Any]:
    return alert_of("oncall", {"on": ["failed"], **table}, BASE)


def test_what_is_not_given_has_a_sensible_default() -> None:
    made = alert(command=["page"])
    assert (made["services"], made["quiet"], made["repeat"]) == (("*",), 300.0, 86400.0)
    assert (made["most_per_hour"], made["timeout"], made["retry"]) == (20, 30.0, 3600.0)


def test_files_are_named_from_the_directory_of_the_configuration() -> None:
    hook = alert(webhook={"url": "${file:url}", "headers": {"X": "${file:/a/b} ${env:C}"}, "ca": "ca.pem"})["webhook"]
    assert (hook["url"], hook["headers"]["X"], hook["ca"]) == (
        "${file:/etc/box/url}",
        "${file:/a/b} ${env:C}",
        "/etc/box/ca.pem",
    )
    mail = alert(mail={**MAIL, "user": "box", "password": "${file:pw}"})["mail"]
    assert (mail["password"], mail["tls"]) == ("${file:/etc/box/pw}", "starttls")


def test_what_alerts_are_about_is_written_in_one_form() -> None:
    on = ["failed", " restarted  more than 3 times in 10m", "failed", "recovered"]
    assert alert_of("a", {"on": on, "command": ["page"]}, BASE)["on"] == (
        "failed",
        "restarted more than 3 times in 10m",
        "recovered",
    )


COMMAND = {"command": ["page"]}
HOOK = "https://hooks.example.org/s3cret"


@pytest.mark.parametrize(
    ("table", "wrong"),
    [
        ({}, "how to deliver it is missing; it should have exactly one of command, webhook and mail"),
        ({**COMMAND, "mail": MAIL}, "command and mail are given; it should have exactly one of"),
        ({**COMMAND, "on": []}, 'on is [], and should be a list of texts such as "failed"'),
        ({**COMMAND, "on": "failed"}, "on is 'failed', and should be a list of texts such as"),
        ({**COMMAND, "on": ["faild"]}, "on is ['faild'], and should be a list of texts such as "),
        ({**COMMAND, "on": ["faild"]}, " or \"recovered\", not 'faild'; did you mean 'failed'?"),
        ({**COMMAND, "on": ["failed", "crashed"]}, " or \"recovered\", not 'crashed'"),
        ({**COMMAND, "on": ["recovered"]}, "and should be a list with something to recover from, such as"),
        ({**COMMAND, "quiet": "0s"}, 'quiet is \'0s\', and should be a time span from "1s", such as "5m"'),
        ({**COMMAND, "most_per_hour": 0}, "most_per_hour is 0, and should be a whole number from 1 to 1000"),
        ({**COMMAND, "command": "page"}, "command is 'page', and should be a list of words"),
        ({**COMMAND, "servces": ["x"]}, "there is no setting 'servces'; did you mean services?"),
        ({"webhook": HOOK}, "webhook should be a table such as { url ="),
        ({"webhook": {"urls": HOOK}}, "webhook: there is no setting 'urls'; did you mean url?"),
        ({"webhook": {"headers": {}}}, "webhook has no url; it should be such as https://ntfy.sh/TOPIC"),
        ({"webhook": {"url": "htp://s3cret"}}, "the url of webhook should begin with http:// or https://"),
        ({"webhook": {"url": ["s3cret"]}}, "webhook: url should be text, whose secrets may be ${env:NAME} or"),
        ({"webhook": {"url": f"{HOOK}${{env:"}}, "webhook: url should be text, whose secrets may be"),
        ({"webhook": {"url": HOOK, "headers": {"X Y": "s3cret"}}}, "digits and dashes, unlike 'X Y'"),
        ({"webhook": {"url": HOOK, "headers": {"": "s3cret"}}}, "digits and dashes, unlike ''"),
        ({"webhook": {"url": HOOK, "headers": {"X": 5}}}, "webhook: headers should be a table of text, such as"),
        ({"webhook": {"url": HOOK, "headers": {"X": "s3cret ${x"}}}, "the value of X should be one line of text, "),
        ({"webhook": {"url": HOOK, "headers": {"X": "s3cret\r\nY: z"}}}, "the value of X should be one line of text"),
        ({"webhook": {"url": HOOK, "headers": {"X": "s3cret…"}}}, "Latin-1; the value of X has other characters"),
        ({"webhook": {"url": HOOK, "template": "$txt"}}, "text that names only $alert, $status, "),
        ({"webhook": {"url": HOOK, "template": "5$"}}, "text in which $$ stands for a $ of its own"),
        (
            {"webhook": {"url": HOOK, "template": '{"a": $text}'}},
            "the template of webhook should be JSON, with each",
        ),
        ({"webhook": {"url": HOOK, "template": "$text"}}, 'such as { Content-Type = "text/plain" }'),
        ({"mail": {**MAIL, "to": []}}, 'mail has no to; it should be a list of addresses such as ["ops@example.org"]'),
        ({"mail": {**MAIL, "to": ["a@b\r\nBcc: c@d"]}}, "mail: to is ['a@b\\r\\nBcc: c@d'], and should be"),
        ({"mail": {"to": ["a@b.c"]}}, "mail has no sender; it should be an address such as"),
        ({"mail": {**MAIL, "server": "smtp"}}, "mail: server is 'smtp', and should be an address such as"),
        ({"mail": {**MAIL, "user": "box"}}, "mail has one of user and password, and should have both or neither"),
        ({"mail": {**MAIL, "user": "box", "password": 53}}, "mail: password should be text, whose secrets may be"),
        ({"mail": {**MAIL, "tls": "none"}}, 'the tls of mail is "none", which is for a server on this machine'),
        ({"mail": {**MAIL, "tls": "ssl"}}, 'mail: tls is \'ssl\', and should be one of "starttls", "tls", "none"'),
    ],
)
def test_what_is_wrong_is_named_with_what_would_be_right_and_without_a_secret(
    table: dict[str, Any], wrong: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        alert(**table)
    assert wrong in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_mail_without_tls_may_go_to_this_machine() -> None:
    assert alert(mail={**MAIL, "server": "localhost:25", "tls": "none"})["mail"]["tls"] == "none"


@pytest.mark.parametrize("name", ["", " ", "-x", "a\nb"])
def test_a_name_that_cannot_be_typed_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="and should have one of printable characters"):
        alert_of(name, COMMAND, BASE)


def test_the_service_of_alerts_comes_with_the_first_and_may_look(tmp_path: Path) -> None:
    path = tmp_path / "smanager.toml"
    table = '[alerts.oncall]\non = ["failed"]\ncommand = ["page"]\n'
    path.write_text(f'{table}[alerts.odd]\non = ["failed"]\n[services.alerts]\nlog_files = 2\n')
    file = read_file(path)
    services = file.services([tmp_path])
    assert services.shipped == (FILE,)
    settings = services.settings["alerts"]
    assert (settings["log_files"], list(settings["options"]["alerts"]), settings["roles"]) == (2, ["oncall"], ["view"])
    assert file.problems == [
        f"{path}: [alerts.odd] how to deliver it is missing; it should have exactly one of command, webhook and mail"
    ]


@pytest.mark.parametrize(("own", "roles"), [("", ["admin"]), ('[services.alerts]\nroles = ["view"]\n', ["view"])])
def test_what_tells_of_blocked_logins_may_know_of_them_unless_its_own_table_says_otherwise(
    tmp_path: Path, own: str, roles: list[str]
) -> None:
    path = tmp_path / "smanager.toml"
    path.write_text(f'{own}[alerts.oncall]\non = ["login blocked"]\ncommand = ["page"]\n')
    assert read_file(path).services([tmp_path]).settings["alerts"]["roles"] == roles
