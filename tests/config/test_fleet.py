"""The table of a fleet: what is made of it, and what is said about a mistake."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from smanager.config.file import read_file
from smanager.config.fleet import FILE

HERE = 'servers = ["nats://127.0.0.1"]\n'
BASE: dict[str, Any] = {
    "servers": ("nats://127.0.0.1:4222",),
    "credentials": None,
    "ca": None,
    "insecure": False,
    "name": "box",
    "labels": {},
    "users": {},
    "user": None,
}


def read(directory: Path, table: str, rest: str = "") -> tuple[dict[str, Any], list[str]]:
    """The settings of the service, and the problems of the file."""
    (directory / "smanager.toml").write_text(f"[fleet]\n{table}\n{rest}")
    file = read_file(directory / "smanager.toml")
    services = file.services([directory])
    assert services.shipped == (FILE,)
    return dict(services.settings["fleet"]), file.problems


@pytest.mark.parametrize(
    ("table", "options", "roles_as"),
    [
        (HERE, {}, {}),
        (HERE + 'name = "kiosk-1"', {"name": "kiosk-1"}, {}),
        (HERE + 'labels = { site = "lab3" }', {"labels": {"site": "lab3"}}, {}),
        (
            HERE + 'roles = { alice = ["operate", "view"], bob = [] }',
            {"users": {"alice": "alice@127.0.0.1", "bob": "bob@127.0.0.1"}},
            {"alice@127.0.0.1": ["operate", "view"], "bob@127.0.0.1": []},
        ),
        (
            'servers = ["tls://hub:5", "tls://hub2"]\ncredentials = "box.nk"\nroles = { a = ["view"] }',
            {
                "servers": ("tls://hub:5", "tls://hub2:4222"),
                "credentials": "HERE/box.nk",
                "users": {"a": "a@hub"},
            },
            {"a@hub": ["view"]},
        ),
        (HERE + 'ca = "/etc/ca.pem"', {"ca": "/etc/ca.pem"}, {}),
        ('servers = ["nats://hub"]\ninsecure = true', {"servers": ("nats://hub:4222",), "insecure": True}, {}),
        (HERE + 'user = "alice.toml"', {"user": "HERE/alice.toml"}, {}),
    ],
)
def test_the_service_of_the_fleet_comes_with_its_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, options: dict[str, Any], roles_as: dict[str, list[str]]
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "box.example.org")
    settings, problems = read(tmp_path, table)
    made = {
        key: value.replace("HERE", str(tmp_path)) if isinstance(value, str) else value for key, value in options.items()
    }
    assert (settings, problems) == ({"options": {**BASE, **made}, "roles_as": roles_as}, [])


EXAMPLE = 'an address such as "tls://hub.example:4222"'


@pytest.mark.parametrize(
    ("table", "wrong"),
    [
        ("", f"servers is missing; it should be a list with {EXAMPLE}"),
        ("servers = []", f"servers is missing; it should be a list with {EXAMPLE}"),
        ('servers = "tls://hub"', f"servers is 'tls://hub', and should be a list with {EXAMPLE}"),
        ('servers = ["hub:4222"]', f"servers is ['hub:4222'], and should be a list with {EXAMPLE}"),
        ('servers = ["tls://me:pass@hub"]', "servers is ['tls://me:pass@hub'], and should be a list"),
        (
            'servers = ["nats://hub"]',
            "servers has hub, where an eavesdropper could read all commands; use tls:// in servers, or say insecure if "
            "you mean it",
        ),
        ('servers = ["tls://hub"]', "servers has hub, where anyone could pass for any user; name credentials, or say"),
        (HERE + 'name = "a.b"', "name is 'a.b', and should be at most 64 letters, digits, - and _"),
        (HERE + 'name = ""', "name is '', and should be at most 64 letters"),
        (HERE + f'name = "{"x" * 65}"', "and should be at most 64 letters"),
        (HERE + "labels = 5", 'labels is 5, and should be a table such as { site = "lab3" }'),
        (HERE + "labels = { site = 3 }", "labels is {'site': 3}, and should be a table"),
        (HERE + 'labels = { site = "a.b" }', "labels is {'site': 'a.b'}, and should be a table"),
        (HERE + 'labels = { "a b" = "c" }', "labels is {'a b': 'c'}, and should be a table"),
        (HERE + 'roles = ["operate"]', "roles is ['operate'], and should be a table such as { alice = [\"operate\"] }"),
        (HERE + 'roles = { alice = "operate" }', "roles is {'alice': 'operate'}, and should be a table such as"),
        (HERE + "roles = { alice = [5] }", "roles is {'alice': [5]}, and should be a table such as"),
        (HERE + 'roles = { "*" = ["operate"] }', "roles is {'*': ['operate']}, and should be a table such as"),
        (HERE + 'roles = { alice = ["nonesuch"] }', "nonesuch"),
        (HERE + "credentials = 5", "credentials is 5, and should be a path"),
        (HERE + "insecure = 1", "insecure is 1, and should be true or false"),
        (HERE + 'server = "x"', "there is no setting 'server'; did you mean servers?"),
    ],
)
def test_a_mistake_is_named_with_what_would_be_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, wrong: str
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "box")
    _, problems = read(tmp_path, table)
    assert len(problems) == 1
    assert wrong in problems[0]
    assert "\n" not in problems[0]


def test_a_host_name_that_is_none_here_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "ä.example")
    assert "the host name is 'ä'; give the box another name, of at most 64" in read(tmp_path, HERE)[1][0]
    assert read(tmp_path, HERE + 'name = "box"')[1] == []
