"""Code and configuration that other users may write to are refused: at the start, by --check and by reload."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Server, is_in, wait_for
from tests.live.clients import smanager

SERVICE = """
from smanager import SService

class {}(SService):
    def cmd_hello(self):
        return "hello"
"""
CONFIGURATION = """
[services.sleeper]
program = ["sleep", "1000"]
env_files = ["sleeper.env"]
"""


@pytest.fixture
def files(directory: Path) -> Path:
    (directory / "services" / "web.py").write_text(SERVICE.format("Web"))
    (directory / "services" / "other.py").write_text(SERVICE.format("Other"))
    (directory / "services" / "_helper.py").touch()
    (directory / "sleeper.env").write_text("A=1\n")
    (directory / "smanager.toml").write_text(CONFIGURATION)
    return directory


@pytest.mark.parametrize("name", ["services/web.py", "services/_helper.py"])
def test_a_services_file_that_others_may_write_to_is_refused_unless_that_is_allowed(files: Path, name: str) -> None:
    (files / name).chmod(0o757)
    check = ["--config", str(files / "smanager.toml"), "--services", str(files / "services"), "--check"]
    result = smanager(*check)
    assert result.returncode == 1
    assert f"other users may write to {files / name}; `chmod o-w {files / name}` fixes that" in result.stdout
    assert smanager(*check, "--allow-writable").returncode == 0


def test_a_file_that_others_may_write_to_is_not_run_again_and_its_neighbours_are(
    files: Path, start: Callable[..., Server]
) -> None:
    server = start("--services", "services", "--port", "0")
    (files / "services" / "web.py").chmod(0o666)
    assert "web: crashed" in server.ask("restart web other").replace("backoff", "crashed")
    is_in(server, "other", "running")
    assert server.ask("other hello") == "hello\n"
    assert "other users may write to" in server.ask("why web")
    (files / "services" / "web.py").chmod(0o644)
    wait_for(lambda: server.ask("web hello") == "hello\n", "a start of the mended file")


def test_reload_applies_nothing(files: Path, start: Callable[..., Server]) -> None:
    server = start("--services", "services", "--port", "0")
    before = pids(server)
    for name in ("services", "services/web.py", "smanager.toml", "sleeper.env"):
        mode = (files / name).stat().st_mode
        (files / name).chmod(0o757)
        (files / "services" / "web.py").write_text(f"{SERVICE.format('Web')}\n# {name}\n")
        for command in ("reload --dry-run", "reload"):
            assert f"other users may write to {files / name}" in server.ask(command), command
        (files / name).chmod(mode)
    assert pids(server) == before


def pids(server: Server) -> list[int]:
    return [service["pid"] for service in json.loads(server.ask("status --json"))]
