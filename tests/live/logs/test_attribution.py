"""Whose a line is: no caller sees what a service printed that the caller may not know."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.conftest import Server, ask_unix, is_in, wait_for

CONFIGURATION = """
[listeners.all]
tcp = "127.0.0.1:0"
[listeners.few]
unix = "few.sock"
roles = ["few"]
[roles.few]
allow = ["logs b", "why b", "events b", "logs second", "why second", "restart second", "status b"]

[services.a]
program = ["sleep", "3600"]
alive_when = { command = ["sh", "-c", "printf 'secret of a\\nunfinished é secret' >&2"], interval = 0.1 }
[services.b]
program = ["sleep", "3600"]
[services.chatty]
program = ["sleep", "3600"]
ready_when = { command = ["sh", "-c", "head -c 300000 /dev/zero | tr '\\\\0' s >&2; (sleep 60 &)"], interval = 0.1 }
[services.unreadable]
program = ["sleep", "3600"]
env_files = ["secret.env"]
"""

TWO = """
import asyncio, os, subprocess, sys, threading
from smanager import SService


class First(SService):
    def start(self):
        print("own line")
        subprocess.run("echo secret child; echo secret error >&2", shell=True)
        threading.Thread(target=print, args=["secret thread"]).start()
        os.write(2, b"secret write\\n")

    async def cmd_later(self):
        asyncio.get_running_loop().run_in_executor(None, print, "secret executor")
        raise ValueError("own error")

    def complete_later(self, text, line, begin, end):
        raise ValueError("own completer")

    def cmd_fork(self):
        if os.fork() == 0:
            print("secret fork", flush=True)
            os._exit(0)


class Second(SService):
    def start(self):
        print("line of second")
"""


@pytest.fixture(scope="module")
def server(shared: Callable[..., Server]) -> Server:
    server = shared(CONFIGURATION, two=TWO)
    (server.directory / "secret.env").write_text("secret of unreadable")
    return server


def few(server: Server, line: str) -> str:
    return ask_unix(str(server.directory / "few.sock"), f"{line}\n")


def test_what_a_probe_prints_is_its_services(server: Server) -> None:
    wait_for(lambda: server.ask("logs a").count("secret of a") > 3, "the probe's lines")
    assert "a: unfinished é secret\n" in server.ask("logs a")
    for caller in (server.ask, lambda line: few(server, line)):
        assert "secret" not in caller("logs b")
        assert "secret" not in caller("why b")
    assert not (server.directory / "state" / "logs" / "b.log").exists()  # it has printed nothing


def test_a_probe_may_print_much_and_leave_a_process_behind(server: Server) -> None:
    is_in(server, "chatty", "running")
    assert "chatty: ss" in server.ask("logs chatty -n 1000")


def test_what_may_be_of_another_service_is_shown_to_those_who_may_see_all_of_them(server: Server) -> None:
    kinds = ["secret child", "secret error", "secret thread", "secret write", "secret executor", "secret fork"]
    server.ask("first later")
    server.ask("first fork")
    server.ask('{"jsonrpc": "2.0", "id": 1, "method": "shell.complete", "params": ["first later x"]}')
    wait_for(lambda: all(kind in server.ask("logs first -n 200") for kind in kinds), lambda: server.ask("logs first"))
    wait_for(lambda: "own completer" in server.ask("logs first -n 200"), "the completer's traceback")
    assert "own" not in server.ask("logs second -n 200")
    told = few(server, "logs second -n 200")
    assert "line of second" in told
    assert "secret" not in told
    assert "own" not in told
    assert "other" not in json.loads(few(server, "logs second --json"))[0]
    few(server, "restart second")
    assert "secret" not in few(server, "why second")
    assert "secret" in server.ask("why second")


def test_how_a_service_fails_is_its_own(server: Server) -> None:
    wait_for(lambda: "secret.env" in server.ask("why unreadable"), "its failure")
    for line in ("logs b", "why b", "events b", "status b", "logs", "events", "why all"):
        told = few(server, line)
        assert "unreadable" not in told
        assert "secret" not in told
