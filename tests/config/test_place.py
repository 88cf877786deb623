"""The place of a configuration: what names it, and where the state of earlier versions was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from smanager.config.file import ConfigError
from smanager.config.listener import ListenerSettings
from smanager.config.place import earlier_directories, place_of


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    for name in ("services", "more", "sub"):
        (tmp_path / name).mkdir()
    (tmp_path / "smanager.toml").touch()
    (tmp_path / "sub" / "link").symlink_to(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "services", "is_same"),
    [
        ("smanager.toml", ["services"], True),
        ("smanager.toml", ["more"], True),
        ("smanager.toml", [], True),
        ("sub/../smanager.toml", [], True),
        ("sub/link/smanager.toml", [], True),
        (None, ["services"], True),  # a file that is written later finds what was kept
        (None, ["sub/link/services"], True),
        (None, ["services", "more"], True),
        (None, ["more"], False),
        ("other.toml", ["services"], False),
        ("sub/smanager.toml", ["services"], False),
    ],
)
def test_a_configuration_is_its_file_or_the_one_that_would_be_beside_services(
    tree: Path, file: str | None, services: list[str], is_same: bool
) -> None:
    place = place_of(file and tree / file, [tree / name for name in services])  # type: ignore[arg-type]  # no "" here
    assert (place.directory() == place_of(tree / "smanager.toml", []).directory()) is is_same


def test_the_directory_has_a_short_name_that_people_recognize(tree: Path) -> None:
    directory = place_of(Path("/srv/a machine for coffee and tea/smanager.toml"), []).directory()
    assert directory.parent == Path("/state/smanager")
    assert directory.name.startswith("a_machine_for_coffee-")
    assert len(os.fsencode(directory.name)) < 32


def test_a_user_without_a_home_directory_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 54321)  # as in a container that runs as a number
    with pytest.raises(ConfigError, match=r"^the user 54321 has no home directory .*; name one with --state-dir DIR$"):
        place_of(Path("/smanager.toml"), []).directory()


def test_earlier_versions_named_it_after_the_address(tree: Path) -> None:
    listeners = [
        ListenerSettings("default", tcp=("127.0.0.1", 10000)),
        ListenerSettings("a", tcp=("", 1)),
        ListenerSettings("b", tcp=("localhost", 2)),
        ListenerSettings("c", tcp=("::1", 3)),
        ListenerSettings("picked", tcp=("127.0.0.1", 0)),
        ListenerSettings("d", unix=Path("/run/s.sock")),
        ListenerSettings("e", systemd="e"),
    ]
    names = ["127.0.0.1-10000", "0.0.0.0-1", "127.0.0.1-2", "[--1]-3", "run-s.sock"]
    assert earlier_directories(listeners) == [Path("/state/smanager") / name for name in names]
