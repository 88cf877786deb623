"""The file of a user of a hub, and what is said about a mistake in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from smanager.fleet.hub import HubAccess, HubError
from smanager.fleet.user import HubUser, hub_user

RIGHT = 'servers = ["tls://hub"]\nuser = "alice"\n'


@pytest.mark.parametrize(
    ("text", "access"),
    [
        (RIGHT, HubAccess(("tls://hub:4222",))),
        (
            RIGHT + 'credentials = "a.nk"\nca = "/etc/ca.pem"',
            HubAccess(("tls://hub:4222",), Path("a.nk"), Path("/etc/ca.pem")),
        ),
        (RIGHT + "insecure = true", HubAccess(("tls://hub:4222",), insecure=True)),
        ("\ufeff" + RIGHT, HubAccess(("tls://hub:4222",))),
    ],
)
def test_a_file_is_read_and_its_paths_start_where_it_is(tmp_path: Path, text: str, access: HubAccess) -> None:
    file = tmp_path / "alice.toml"
    file.write_text(text)
    credentials = access.credentials and tmp_path / access.credentials
    assert hub_user(str(file)) == HubUser("alice", access._replace(credentials=credentials))


def test_a_name_alone_is_a_file_of_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    own = tmp_path / ".config" / "smanager"
    own.mkdir(parents=True)
    (own / "lab.toml").write_text(RIGHT)
    assert hub_user("lab") == hub_user("~/.config/smanager/lab.toml") == hub_user(".config/smanager/lab.toml")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("servers = [", "Invalid value"),
        ('user = "alice"', 'servers is None, and should be a list with an address such as "tls://hub.example:4222"'),
        ('servers = []\nuser = "alice"', "servers is [], and should be a list"),
        ('servers = "tls://hub"\nuser = "alice"', "servers is 'tls://hub', and should be a list"),
        ('servers = ["hub"]\nuser = "alice"', "servers has 'hub', and should have an address such as"),
        ('servers = ["tls://hub"]', "user is None, and should be at most 64 letters, digits, - and _"),
        (RIGHT.replace("alice", "a.b"), "user is 'a.b', and should be at most"),
        (RIGHT + "credentials = 5", "credentials is 5, and should be a path"),
        (RIGHT + 'credentials = "a\\u0000"', "credentials is 'a\\x00', and should be a path"),
        (RIGHT + 'ca = ""', "ca is '', and should be a path"),
        (RIGHT + 'ca = "~nobody-of-this-name/x"', "home"),
        (RIGHT + 'insecure = "yes"', "insecure is 'yes', and should be true or false"),
        (RIGHT + "server = 5", "there is no setting 'server'; there are: servers, user, credentials, ca, insecure"),
    ],
)
def test_a_mistake_is_named_in_one_line(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "alice.toml"
    file.write_text(text)
    with pytest.raises(HubError) as caught:
        hub_user(str(file))
    assert str(caught.value).startswith(f"{file}: ")
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", ["missing.toml", "./missing", "~nobody-of-this-name/alice.toml", ".", "a\0b.toml", ""])
def test_a_file_that_is_not_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(HubError) as caught:
        hub_user(file)
    assert "\n" not in str(caught.value)
