"""`smanager attach`: the shell of the manager that runs, for its own user."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pexpect
import pytest

from tests.conftest import ROOT, SECONDS, SEED_SERVICE, Server, configure, write_service
from tests.live.clients import smanager

FAILING = """
    def cmd_fail(self):
        raise RuntimeError("on purpose")
"""


@pytest.fixture(scope="module")
def running(shared: Callable[..., Server]) -> Server:
    """A manager whose only listener has to be logged in at."""
    return shared('[listeners.a]\ntcp = "127.0.0.1:0"\nlogin = "required"\n', systemstatus=SEED_SERVICE + FAILING)


@pytest.mark.parametrize(
    ("words", "status", "output", "errors"),
    [
        (["hostname"], 0, "mycomputerhostname\n", ""),
        (["attach", "hostname"], 0, "mycomputerhostname\n", ""),
        (["attach", "help", "-s"], 0, "TOP: hostname\n", ""),
        (["systemstatus", "fail"], 1, "", "*** systemstatus fail: RuntimeError: on purpose\n"),
        (["nonsense"], 2, "", "*** unknown command: nonsense; "),
        (["systemstatus hostname; hostname"], 0, "mycomputerhostname\nmycomputerhostname\n", ""),
    ],
)
def test_a_command_line_runs_there_as_with_tshell(
    running: Server, words: list[str], status: int, output: str, errors: str
) -> None:
    result = smanager(*words, cwd=running.directory)
    assert (result.returncode, result.stderr.startswith(errors)) == (status, True)
    assert result.stdout.startswith(output)


def test_the_answer_may_be_json(running: Server) -> None:
    for words in (["--json", "status"], ["status", "--json"], ["--json", "attach", "status"]):
        (service,) = json.loads(smanager(*words, cwd=running.directory).stdout)
        assert (service["name"], service["state"]) == ("systemstatus", "running")


def test_commands_come_from_a_pipe(running: Server) -> None:
    result = smanager("attach", stdin="hostname\n# a comment\nsystemstatus fail\n", cwd=running.directory)
    assert (result.returncode, result.stdout) == (1, "mycomputerhostname\n")


def test_it_is_the_owners_whatever_token_is_in_the_environment(
    running: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMANAGER_TOKEN", "smt_of_another_server")
    monkeypatch.setenv("SMANAGER_UNIX", "/nowhere")
    result = smanager("whoami", "--json", cwd=running.directory)
    assert json.loads(result.stdout)["roles"] == ["admin"]


def test_a_person_gets_the_shell_with_tab(running: Server) -> None:
    child = pexpect.spawn(
        sys.executable,
        [str(ROOT / "smanager.py"), "attach"],
        timeout=SECONDS,
        encoding="utf-8",
        cwd=str(running.directory),
        dimensions=(40, 100),
    )
    child.expect_exact(f"Connected to {running.directory}/smanager.toml; Ctrl-] leaves.\r\n")
    child.expect_exact("Service Manager")
    child.send("hostn\t\r")
    child.expect_exact("mycomputerhostname")
    child.send("quit\r")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_a_wrong_configuration_keeps_nobody_out(running: Server, tmp_path: Path) -> None:
    path = running.directory / "smanager.toml"
    before = path.read_text()
    path.write_text("= wrong")
    try:
        assert smanager("hostname", cwd=running.directory).stdout == "mycomputerhostname\n"
    finally:
        path.write_text(before)


def test_the_socket_is_for_its_user_alone(running: Server, state_home: Path) -> None:
    sockets = [running.directory / "state" / "socket"]
    assert [path.stat().st_mode & 0o777 for path in sockets] == [0o600]
    assert sockets[0].parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_other_users_are_sent_away_even_if_they_can_open_the_socket(
    kept: Callable[..., Server], directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = kept(systemstatus=SEED_SERVICE)
    path = directory / "state" / "socket"
    path.chmod(0o666)
    path.parent.chmod(0o711)
    monkeypatch.chdir(path.parent)  # nobody may not pass the directories above
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(SECONDS)
        os.seteuid(65534)
        try:
            connection.connect(path.name)
        finally:
            os.seteuid(0)
        with suppress(ConnectionError):
            connection.sendall(b"hostname\n")
            assert connection.recv(100) == b""
    server.wait_for_log("user nobody, .*: not allowed at ")


def test_where_no_manager_runs_one_line_says_what_to_type(tmp_path: Path) -> None:
    configure(tmp_path, "", {})
    result = smanager("status", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (3, "")
    start = f"python3 {ROOT}/smanager.py"
    assert result.stderr == f"smanager: no manager of {tmp_path}/smanager.toml runs; `{start}` starts one\n"


def test_a_manager_that_was_killed_does_not_run(kept: Callable[..., Server], directory: Path) -> None:
    server = kept(systemstatus=SEED_SERVICE)
    server.process.kill()
    server.process.wait()
    assert smanager("status", cwd=directory).returncode == 3
    kept(systemstatus=SEED_SERVICE)
    assert smanager("hostname", cwd=directory).stdout == "mycomputerhostname\n"


def test_a_manager_on_its_console_can_be_attached_to(services: Path) -> None:
    write_service(services, SEED_SERVICE)
    command = [str(ROOT / "smanager.py"), "--services", str(services), "--console"]
    console = pexpect.spawn(sys.executable, command, timeout=SECONDS, encoding="utf-8", dimensions=(40, 100))
    console.expect_exact("Service Manager")
    console.expect(">")
    assert smanager("--services", services, "hostname").stdout == "mycomputerhostname\n"
    console.send("quit\r")
    console.expect(pexpect.EOF)
    console.close()
    assert console.exitstatus == 0
    assert smanager("--services", services, "hostname").returncode == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--console", "status"], "smanager: status is a command for the manager that runs: give it alone; "),
        (["./services"], "smanager: ./services is a directory; `--services ./services` starts a manager with it; "),
    ],
)
def test_what_cannot_be_meant_is_said_in_one_line(tmp_path: Path, arguments: list[str], message: str) -> None:
    configure(tmp_path, "", {})
    result = smanager(*arguments, cwd=tmp_path)
    assert (result.returncode, result.stderr.startswith(message)) == (2, True), result.stderr
