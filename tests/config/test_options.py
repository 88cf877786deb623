"""The command line, and what it makes of the file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from smanager.config.file import ConfigError
from smanager.config.listener import ListenerSettings
from smanager.config.options import Config, config_of, parsed


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "services").mkdir()
    return tmp_path


def configured(directory: Path, text: str, *options: str) -> Config:
    (directory / "smanager.toml").write_text(text)
    return config_of(parsed(["--services", "services", *options]))


def default(host: str = "127.0.0.1", port: int = 10000, most: int = 1000) -> ListenerSettings:
    return ListenerSettings("default", tcp=(host, port), max_sessions=most)


@pytest.mark.parametrize(
    ("text", "options", "listeners"),
    [
        ("", [], [default()]),
        ("port = 1", [], [default(port=1)]),
        ("port = 1", ["--port", "2", "--max-sessions", "3"], [default(port=2, most=3)]),
        ("port = 1", ["--host", "::1"], [default("::1", 1)]),
        ('[listeners.a]\ntcp = "a:1"', [], [ListenerSettings("a", tcp=("a", 1))]),
        ('[listeners.a]\ntcp = "a:1"', ["--port", "0"], [default(port=0), ListenerSettings("a", tcp=("a", 1))]),
        ('port = 1\n[listeners.a]\ntcp = "a:1"', [], [default(port=1), ListenerSettings("a", tcp=("a", 1))]),
    ],
)
def test_where_to_listen(directory: Path, text: str, options: list[str], listeners: list[ListenerSettings]) -> None:
    assert list(configured(directory, text, *options).services.listeners) == listeners


def test_a_unix_socket_alone_opens_no_port(directory: Path) -> None:
    assert [one.unix for one in configured(directory, "", "--unix", "s").services.listeners] == [directory / "s"]


def test_the_options_paths_start_here_and_the_files_there(directory: Path) -> None:
    config = configured(directory, 'state_dir = "state"\naudit_file = "audit"\n')
    assert (config.root.state_dir, config.root.audit_file) == (directory / "state", directory / "audit")
    assert configured(directory, 'state_dir = "state"', "--state-dir", "other").root.state_dir == directory / "other"


def test_services_are_read_anew(directory: Path) -> None:
    config = configured(directory, "")
    (directory / "smanager.toml").write_text('exit_on = ["web"]')
    assert (config.services.exit_on, config.read_services().exit_on) == ((), ("web",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[listeners.a]\ntcp = "a:1"\nroles = ["veiw"]', r"\[listeners.a\] there is no role veiw; did you mean view\?"),
        ('[listeners.a]\nunix = "s"\n[listeners.b]\nunix = "s"', "s is listened on twice, by a and b"),
    ],
)
def test_listeners_that_do_not_go_together(directory: Path, text: str, message: str) -> None:
    (problem,) = configured(directory, text).services.problems
    assert re.search(message, problem)


def test_the_state_directory_is_the_configured_one_or_systemds(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert configured(directory, "").state_dir is None  # then the one in the configuration's place
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/smanager:/other")
    assert configured(directory, "").state_dir == Path("/var/lib/smanager")
    assert configured(directory, "", "--state-dir", "x").state_dir == directory / "x"


@pytest.mark.parametrize("name", ["services", "smanager.toml", "web.env"])
def test_what_others_may_write_to_is_refused_unless_that_is_allowed(directory: Path, name: str) -> None:
    configuration = '[services.web]\nprogram = ["web"]\nenv_files = ["web.env"]\n'
    (directory / "web.env").touch()
    configured(directory, configuration)
    (directory / name).chmod(0o757)
    with pytest.raises(ConfigError, match=f"^other users may write to .*{name}; `chmod o-w .*{name}` fixes that"):
        configured(directory, configuration)
    configured(directory, configuration, "--allow-writable")
    allowed = f"allow_writable = true\n{configuration}"
    if name == "smanager.toml":  # what stands in a file cannot make the file trusted
        with pytest.raises(ConfigError):
            configured(directory, allowed)
    else:
        configured(directory, allowed)
