"""smanager.toml: what is read from it, and what is said about a mistake."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from smanager.access.roles import Role
from smanager.config.file import TABLES, ConfigError, ConfigFile, RootSettings, read_file
from tests.conftest import ROOT

EXAMPLE = ROOT / "examples" / "smanager.toml"


def read(directory: Path, text: str) -> ConfigFile:
    (directory / "smanager.toml").write_text(text)
    return read_file(directory / "smanager.toml")


def test_an_empty_file_is_the_default(tmp_path: Path) -> None:
    file = read(tmp_path, "")
    assert file.given == {}
    assert file.listeners() == []
    assert file.settings.users_file == tmp_path / "smanager-users.json"
    root = RootSettings()
    assert (root.host, root.port, root.max_sessions, root.audit) == ("127.0.0.1", 10000, 1000, None)


def test_relative_paths_start_at_the_file(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    file = read(
        tmp_path,
        'services_dirs = ["here"]\nusers_file = "users"\n[listeners.a]\nunix = "s"\n'
        '[services.web]\nprogram = ["web"]\nenv_files = ["web.env"]\n',
    )
    services = file.services(None)
    assert services.directories == (tmp_path / "here",)
    assert file.settings.users_file == tmp_path / "users"
    assert file.listeners()[0].unix == tmp_path / "s"
    assert services.programs["web"]["directory"] == str(tmp_path)
    assert services.programs["web"]["env_files"] == [str(tmp_path / "web.env")]


def test_what_reload_does_not_apply_is_kept_apart(tmp_path: Path) -> None:
    services = read(tmp_path, 'port = 1\nexit_on = ["web"]\naudit = "off"\n[roles.x]\nallow = ["web.*"]\n').services(
        [tmp_path]
    )
    assert set(services.at_start) == {"audit"}
    assert services.exit_on == ("web",)
    assert services.roles == {"x": Role("x", ("web.*",))}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("port = 65536", "port is 65536, and should be a whole number from 0 to 65535"),
        ("prot = 1", "there is no setting 'prot'; did you mean port?"),
        ("services = 1", "services is 1, and should be tables such as [services.web]"),
        ('audit = "maybe"', 'audit is \'maybe\', and should be one of "off", "on", "required"'),
        ('permissions = "0660"', "permissions belongs in a listener's table, such as [listeners.lan]"),
        ("[services]\nweb = 1", "[services.web] is 1, and should be a table"),
        ("[services.web]\nneds = []", "[services.web] there is no setting 'neds'; did you mean needs?"),
        ("[services.web]\nwatchdog = -1", "[services.web] watchdog is -1, and should be a number of seconds"),
        ("[listeners.a]", "[listeners.a] has no address; should have one of tcp, unix and systemd"),
        ('[listeners.a]\ntcp = "x"', "[listeners.a] tcp is 'x', and should be an address such as"),
        ("[roles.admin]", "[roles.admin] is a built-in role; choose another name"),
        ("[roles.everyone]", "[roles.everyone] is a built-in role; choose another name"),
        ("[roles.a]\nalow = []", "[roles.a] is {'alow': []}, and should have lists such as allow = "),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    file = read(tmp_path, text)
    file.services([tmp_path])
    file.listeners()
    (problem,) = file.problems
    assert problem.startswith(f"{tmp_path / 'smanager.toml'}: ")
    assert message in problem


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: no such file or directory$"):
        read_file(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match=r"smanager\.toml: Invalid value \(at end of document\)$"):
        read(tmp_path, "port = ")


def test_a_byte_order_mark_and_line_ends_of_windows_mean_nothing(tmp_path: Path) -> None:
    file = tmp_path / "smanager.toml"
    file.write_bytes(b"\xef\xbb\xbfport = 1\r\n[services.web]\r\nprogram = ['web']\r\n")
    assert read_file(file).given["port"] == 1
    file.write_bytes(b"port = 1\r\nhost = '\xe9'")
    with pytest.raises(ConfigError, match=r"^/.*/smanager\.toml: line 2 is not UTF-8$"):
        read_file(file)


def test_the_example_shows_every_key_and_every_default() -> None:
    """A key stands at the beginning of its line, commented out or not; its default is its value or in its comment."""
    sections = re.split(r"^(?:# )?(?=\[)", EXAMPLE.read_text(), flags=re.MULTILINE)
    lines: dict[str, dict[str, str]] = {}
    for section in sections:
        table = re.sub(r"\.\w+\]", ".NAME]", section.partition("\n")[0]) if section.startswith("[") else ""
        found = re.findall(r"^((?:# )?(\w+) = .*)", section, re.MULTILINE)
        lines.setdefault(table, {}).update({name: line for line, name in found})
    for table, keys in TABLES.items():
        for name, key in keys.items():
            if table and not table.startswith("["):  # an inline table within another's line
                assert name in EXAMPLE.read_text()
            elif not (table == "" and name in ("services", "listeners", "roles", "runs", "schedules", "web")):
                line = lines[table.partition(" ")[0]][name]
                value = tomllib.loads(line.removeprefix("# "))[name]
                key.check(value)
                default = str(key.default).lower() if isinstance(key.default, bool | int) else str(key.default)
                assert key.default in (None, [], {}, value) or default in line, line
