"""Commands of services: what they return, what goes wrong in them, and who notices."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable

import pytest

from tests.conftest import SECONDS, Server, alive, is_in, read_to_end, wait_for

ODDITIES = '''
import asyncio, logging, os, subprocess, threading, time
from pathlib import Path
from smanager import SService

HERE = Path(__file__).parent


class Odd(SService):
    """All that a service may do"""

    name = "odd-one"
    gate = threading.Event()

    def start(self):
        self.log = ["start"]

    def run(self):
        self.log.append("run")
        self.ended = threading.Event()
        self.ended.wait()
        (HERE / "run-returned").touch()

    def stop(self):
        (HERE / "stopped").touch()
        self.ended.set()

    def cmd_text(self): return "no newline"
    def cmd_line(self): return "a newline\\n"
    def cmd_nothing(self): return None
    def cmd_empty(self): return ""
    def cmd_number(self): return 42
    def cmd_bytes(self): return b"raw \\xff\\x00 bytes"
    def cmd_controls(self): return "bell \\x07 escape \\x1b[31m return \\r nul \\0"
    def cmd_surrogate(self): return "lone \\ud800 surrogate"
    def cmd_megabyte(self): return "x" * 1_000_000
    def cmd_stream(self):
        yield "one"
        yield "two\\n"
    def cmd_listed(self): return ["one", "two"]
    async def cmd_later(self):
        await asyncio.sleep(0.01)
        return "later"
    async def cmd_ticks(self):
        for tick in range(3):
            await asyncio.sleep(0.01)
            yield f"tick {tick}"
    def cmd_divide(self): return 1 / 0
    async def cmd_refuse(self): raise PermissionError("not\\ntoday")
    def cmd_leave(self): raise SystemExit(3)
    def cmd_halfway(self):
        yield "before"
        raise RuntimeError("after")
    def cmd_echo(self, first, second="two", *rest): return "|".join([first, second, *rest])
    def cmd_log(self): return " ".join(self.log)
    def cmd_wait(self):
        self.gate.wait()
        return "opened"
    def cmd_open(self):
        self.gate.set()
        return "open"
    def cmd_speak(self):
        print("printed")
        logging.getLogger("part").warning("logged")
        subprocess.run(["sh", "-c", "echo from a child; echo to stderr >&2"])
        print("escape \\x1b[2J")
    def cmd_spin(self):
        (HERE / "spin-began").touch()
        try:
            while True:
                pass
        finally:
            (HERE / "spin-ended").touch()
    async def cmd_doze(self):
        (HERE / "doze-began").touch()
        try:
            await asyncio.sleep(3600)
        finally:
            (HERE / "doze-ended").touch()
    def cmd_pid(self): return os.getpid()
    def cmd_child(self): return subprocess.Popen(["sleep", "3600"]).pid
    def complete_echo(self, text, line, begidx, endidx):
        return [word for word in ("alpha", "alter", f"{line!r}:{begidx}:{endidx}") if word.startswith(text)]
    def toplevel_cmd_undocumented(self): return "fine"
'''


@pytest.fixture(scope="module")
def odd(shared: Callable[..., Server]) -> Server:
    return shared(odd=ODDITIES)


@pytest.fixture
def own(kept: Callable[..., Server]) -> Server:
    """An odd service for a test that does not leave it as it was."""
    return kept(odd=ODDITIES)


def test_results_are_printed_with_one_newline_at_the_end(odd: Server) -> None:
    expected = {
        "text": b"no newline\n",
        "line": b"a newline\n",
        "nothing": b"",
        "empty": b"",
        "number": b"42\n",
        "bytes": b"raw \xff\x00 bytes\n",
        "controls": b"bell \x07 escape \x1b[31m return \r nul \0\n",
        "surrogate": b"lone ? surrogate\n",
        "megabyte": b"x" * 1_000_000 + b"\n",
        "stream": b"one\ntwo\n",
        "listed": b"one\ntwo\n",
        "later": b"later\n",
        "ticks": b"tick 0\ntick 1\ntick 2\n",
    }
    assert {name: odd.ask_bytes(f"odd-one {name}".encode()) for name in expected} == expected


def test_an_exception_is_one_line_to_the_caller_and_a_traceback_in_the_log(odd: Server) -> None:
    assert odd.ask("odd-one divide") == "*** odd-one divide: ZeroDivisionError: division by zero\n"
    assert odd.ask("odd-one refuse") == "*** odd-one refuse: PermissionError: not today\n"
    assert odd.ask("odd-one leave") == "*** odd-one leave: SystemExit: 3\n"
    assert odd.ask("odd-one halfway") == "before\n*** odd-one halfway: RuntimeError: after\n"
    odd.wait_for_log(r"odd-one:   File .*odd\.py.*cmd_divide")


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("1", "1|two\n"),
        ("'a b' \"c;d\" e\\ f", "a b|c;d|e f\n"),
        ("'' é", "|é\n"),
        ("", "*** odd-one echo: too few arguments: first missing; usage: odd-one echo first [second] [rest ...]\n"),
        ("'open", "*** no closing quotation in: 'open\n"),
    ],
)
def test_words_are_bound_as_a_shell_would(odd: Server, words: str, answer: str) -> None:
    assert odd.ask(f"odd-one echo {words}") == answer


def test_too_many_arguments_call_nothing(odd: Server) -> None:
    assert odd.ask("odd-one pid 1") == "*** odd-one pid: too many arguments: 1; usage: odd-one pid\n"


def test_start_comes_before_the_first_command_and_run_beside_them(odd: Server) -> None:
    wait_for(lambda: odd.ask("odd-one log") == "start run\n", "run to begin")


def test_commands_of_one_service_run_side_by_side(own: Server) -> None:
    answers: list[str] = []
    waiters = [threading.Thread(target=lambda: answers.append(own.ask("odd-one wait"))) for _ in range(10)]
    for waiter in waiters:
        waiter.start()
    assert own.ask("odd-one text") == "no newline\n"
    assert own.ask("odd-one open") == "open\n"
    for waiter in waiters:
        waiter.join(SECONDS)
    assert answers == ["opened\n"] * 10


def test_what_a_service_prints_goes_to_the_log_under_its_name(odd: Server) -> None:
    assert odd.ask("odd-one speak") == ""
    for line in ("printed", "WARNING part: logged", "from a child", "to stderr", r"escape \\x1b\[2J"):
        odd.wait_for_log(rf"^\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d odd-one: {line}$")


def test_a_hang_up_ends_the_running_method(own: Server) -> None:
    for command in ("spin", "doze"):
        with own.connect() as connection:
            connection.sendall(f"odd-one {command}\n".encode())
            wait_for((own.directory / "services" / f"{command}-began").exists, f"{command} to begin")
            linger = b"\x01\0\0\0\0\0\0\0"
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)  # a reset, which no FIN announces
        wait_for((own.directory / "services" / f"{command}-ended").exists, f"{command} to end")
    assert own.ask("odd-one text") == "no newline\n"


def test_a_dead_host_is_told_to_its_callers_and_started_again(own: Server) -> None:
    victim = int(own.ask("odd-one pid"))
    child = int(own.ask("odd-one child"))
    with own.connect() as connection:
        connection.sendall(b"odd-one text\nodd-one doze\n")
        assert connection.recv(100) == b"no newline\n"
        os.kill(victim, signal.SIGKILL)
        assert read_to_end(connection) == b"*** odd-one doze: its host died: killed by SIGKILL\n"
    wait_for(lambda: "***" not in own.ask("odd-one pid"), "the service to be back")
    assert int(own.ask("odd-one pid")) != victim
    wait_for(lambda: not alive(child), "what the dead host had started to end")


def test_sigterm_runs_stop_and_leaves_no_process(own: Server) -> None:
    hosts = own.children()
    child = int(own.ask("odd-one child"))
    assert own.stop() == 0
    assert (own.directory / "services" / "stopped").exists()
    assert (own.directory / "services" / "run-returned").exists()
    assert not any(map(alive, [*hosts, child]))


def test_services_end_when_their_manager_is_killed(own: Server) -> None:
    hosts = own.children()
    child = int(own.ask("odd-one child"))
    own.process.kill()
    wait_for(lambda: not any(map(alive, [*hosts, child])), "the hosts to end")


def test_methods_without_a_docstring_have_an_empty_summary(odd: Server) -> None:
    assert "    undocumented:\n" in odd.ask("help")
    assert odd.ask("undocumented") == "fine\n"


LEAVES_A_LINE = """
from smanager import SService


class Leaves(SService):
    restart = "never"
    async def run(self):
        print("without an end", end="")
        raise RuntimeError("as told")
"""


def test_the_last_line_of_an_async_run_is_logged_though_it_has_no_end(reloaded: Callable[..., Server]) -> None:
    server = reloaded(leaves=LEAVES_A_LINE)
    is_in(server, "leaves", "failed")
    assert "leaves: without an end" in server.ask("logs leaves")
