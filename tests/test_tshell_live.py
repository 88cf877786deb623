"""tshell and the example scripts against the real server."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest

from tests.conftest import ROOT, SECONDS, SEED_SERVICE, Server, wait_for, write_service
from tshell import CallError, Client, smanager_cmd

MORE = """
    def cmd_fail(self): raise ValueError("no")

    def cmd_args(self, *words): return "|".join(words)

    async def cmd_wait(self):
        import asyncio
        await asyncio.sleep(3600)

    def cmd_count(self, upto: int):
        yield from range(upto)
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


@pytest.mark.parametrize(
    ("environment", "is_red"),
    [({"TERM": "xterm-256color"}, True), ({"TERM": "vt220"}, False), ({"TERM": "xterm", "NO_COLOR": "1"}, False)],
)
def test_what_went_wrong_is_red_where_the_terminal_has_that(
    server: Server, environment: dict[str, str], is_red: bool
) -> None:
    child: pexpect.spawn[str] = pexpect.spawn(
        sys.executable,
        [str(ROOT / "tshell.py"), "-p", str(server.port)],
        timeout=SECONDS,
        encoding="utf-8",
        dimensions=(30, 90),
        env={**os.environ, **environment},
    )
    child.expect_exact("-" * 50 + "\r\n>")
    child.send("systemstatus fail\r")
    error = "*** systemstatus fail: ValueError: no"
    child.expect_exact(f"fail\r\n\x1b[31m{error}\x1b[39m\r\n" if is_red else f"fail\r\n{error}\r\n")
    child.close(force=True)


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


# Several commands, and a status for each.


def test_each_commands_status_is_told_where_it_is_asked_for(server: Server) -> None:
    script = "hostname\nsystemstatus fail\n# a comment\nnonsense\n"
    result = tshell(server, "-", stdin=script)
    assert (result.returncode, result.stdout) == (2, "mycomputerhostname\n")
    assert [line for line in result.stderr.splitlines() if line.startswith("[")] == [
        "[0] hostname",
        "[1] systemstatus fail",
        "[2] nonsense",
    ]
    result = tshell(server, "-e", "-", stdin=script)
    assert result.returncode == 1
    assert "nonsense" not in result.stderr


def test_answers_come_in_json_where_that_is_asked_for(server: Server) -> None:
    assert tshell(server, "--json", "hostname").stdout == '"mycomputerhostname"\n'
    result = tshell(server, "--json", "systemstatus", "fail")
    assert (result.returncode, result.stdout) == (1, '{"error": "systemstatus fail: ValueError: no"}\n')


def test_ctrl_c_ends_the_remote_command_first(server: Server) -> None:
    client = subprocess.Popen([sys.executable, str(ROOT / "tshell.py"), "-p", str(server.port), "systemstatus", "wait"])
    wait_for(lambda: "systemstatus wait" in server.ask("jobs"), "the command")
    client.send_signal(signal.SIGINT)
    assert client.wait(20) == 130
    wait_for(lambda: server.ask("jobs") == "", "its end")


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
def test_bash_completes_from_the_server(server: Server) -> None:
    script = (
        f'tshell() {{ {sys.executable} {ROOT / "tshell.py"} -p {server.port} "$@"; }}\n'
        f"source <({sys.executable} {ROOT / 'tshell.py'} --complete bash)\n"
        "COMP_LINE='tshell systemstatus up' COMP_POINT=22; _tshell; printf '%s\\n' \"${COMPREPLY[@]}\"\n"
    )
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=20, check=False)
    assert (result.stdout, result.stderr) == ("uptime\n", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_what_their_shells_can_read(server: Server, shell: str) -> None:
    script = tshell(server, "--complete", shell).stdout
    assert "--words" in script
    if shutil.which(shell):
        check = subprocess.run([shell, "-n"], input=script, text=True, capture_output=True, timeout=20, check=False)
        assert (check.returncode, check.stderr) == (0, "")


# Programs.


def test_a_client_calls_methods_and_iterates_what_they_yield(server: Server) -> None:
    with Client(server.host, server.port) as client:
        assert client.call("hostname") == "mycomputerhostname"
        assert client.call("systemstatus.args", "a", "b") == "a|b"
        assert client.execute("hostname") == "mycomputerhostname\n"
        assert "systemstatus" in [service["name"] for service in client.call("services.list")]
        counted = client.stream("systemstatus.count", upto=3)
        assert list(counted) == [0, 1, 2]
        for number in client.stream("systemstatus.count", upto=1_000_000):
            if number == 5:
                break  # who leaves it ends it
        assert client.call("hostname") == "mycomputerhostname"
        with pytest.raises(CallError, match="ValueError: no") as caught:
            client.call("systemstatus.fail")
        assert (caught.value.code, caught.value.data) == (-32000, {"type": "ValueError", "message": "no"})
        with pytest.raises(TypeError, match="all by position or all by name"):
            client.call("systemstatus.count", 1, upto=2)
