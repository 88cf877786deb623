"""tshell and the example scripts against the real server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest

from tests.conftest import ROOT, SECONDS, SEED_SERVICE, Server, wait_for, write_service
from tshell import smanager_cmd

MORE = """
    def cmd_fail(self): raise ValueError("no")

    def cmd_args(self, *words): return "|".join(words)
"""


@pytest.fixture
def server(start: Callable[..., Server], services: Path) -> Server:
    write_service(services, SEED_SERVICE + MORE)
    return start("--services", services, "--services", ROOT / "examples" / "services")


def tshell(server: Server, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "tshell.py"), "-p", str(server.port), *words],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "status", "stdout", "stderr"),
    [
        (["hostname"], 0, "mycomputerhostname\n", ""),
        (["systemstatus", "args", "a b", "c;d", "-h"], 0, "a b|c;d|-h\n", ""),
        (["hostname; hostname"], 0, "mycomputerhostname\nmycomputerhostname\n", ""),
        (["systemstatus", "fail"], 1, "", "*** systemstatus fail: ValueError: no\n"),
        (["systemstatus", "uptime", "x"], 2, "", "*** systemstatus uptime: too many arguments: x; usage: "),
        (
            ["hostname; nonsense; hostname"],
            2,
            "mycomputerhostname\nmycomputerhostname\n",
            "*** unknown command: nonsense; ",
        ),
        (["nonsense"], 2, "", "*** unknown command: nonsense; "),
        (["sys", "uptime"], 2, "", "*** unknown command: sys; did you mean: systemstatus? "),
    ],
)
def test_a_command_has_its_output_and_exit_status(
    server: Server, words: list[str], status: int, stdout: str, stderr: str
) -> None:
    result = tshell(server, *words)
    assert (result.returncode, result.stdout) == (status, stdout)
    assert result.stderr.startswith(stderr)


def test_commands_on_stdin_run_one_by_one(server: Server) -> None:
    result = tshell(server, stdin="hostname\n\n# a comment\nsystemstatus fail\nhostname\n")
    assert (result.returncode, result.stdout) == (1, "mycomputerhostname\n" * 2)


def test_a_program_gets_output_and_status(server: Server) -> None:
    reply = smanager_cmd(server.host, server.port, "help -s")
    assert (reply.splitlines()[1], reply.status) == ("SERVICES: scrapman systemstatus", 0)


def test_an_interactive_session_edits_on_the_server(server: Server) -> None:
    child: pexpect.spawn[str] = pexpect.spawn(
        sys.executable,
        [str(ROOT / "tshell.py"), "-p", str(server.port)],
        timeout=SECONDS,
        encoding="utf-8",
        dimensions=(30, 90),
        env={**os.environ, "TERM": "xterm"},
    )
    child.expect_exact("-systemstatus\r\n" + "-" * 50 + "\r\n>")
    child.send("sys\tup\t\r")
    child.expect_exact("load average: 0.28, 0.39, 0.46\r\n" + "-" * 50 + "\r\n>")
    child.send("\x1b[A\x15quit\r")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_a_dumb_terminal_edits_its_own_lines(server: Server) -> None:
    child: pexpect.spawn[str] = pexpect.spawn(
        sys.executable,
        [str(ROOT / "tshell.py"), "-p", str(server.port)],
        timeout=SECONDS,
        encoding="utf-8",
        env={**os.environ, "TERM": "dumb"},
    )
    child.expect_exact("-systemstatus\r\n" + "-" * 50 + "\r\n>")
    wait_for(child.getecho, "the terminal to echo")
    child.sendline("hostname")
    child.expect_exact("hostname\r\nmycomputerhostname\r")
    child.sendline("quit")
    child.expect(pexpect.EOF)


def test_the_example_scripts_do_what_the_seeds_did(server: Server, tmp_path: Path) -> None:
    environment = {**os.environ, "SMANAGER_PORT": str(server.port)}
    demo = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "demo_script.py")],
        env=environment, capture_output=True, text=True, timeout=SECONDS, check=True,
    )  # fmt: skip
    assert demo.stdout.startswith("TOP: captest capture_at scrapfreq startcap stopcap hostname\n")
    logfile = tmp_path / "heartbeat.log"
    subprocess.run(
        [sys.executable, str(ROOT / "examples" / "heartbeat.py"), str(logfile)],
        env=environment, timeout=SECONDS, check=True,
    )  # fmt: skip
    assert "Scrapman heartbeat: no capture yet" in logfile.read_text()
