"""The manager's log: a sink that stalls or is closed delays nobody."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from smanager.logs.manager_log import WAITING_LINES
from tests.conftest import ROOT, SECONDS, Server, read_to_end, wait_for, write_service

TALKATIVE = """
from smanager import SService


class Talkative(SService):
    def cmd_talk(self, lines):
        for number in range(int(lines)):
            print("x" * 100, number)
        return "said"
"""


def ask(port: int, line: str) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
        connection.sendall(line.encode())
        connection.shutdown(socket.SHUT_WR)
        return read_to_end(connection)


SIGNAL_AT_THE_END = f"""
import asyncio, os, signal, sys
sys.path.insert(0, {str(ROOT)!r})
from smanager.cli import main

close = asyncio.SelectorEventLoop._close_self_pipe


def close_and_signal(loop):
    close(loop)
    os.kill(os.getpid(), signal.SIGCHLD)


asyncio.SelectorEventLoop._close_self_pipe = close_and_signal
sys.exit(main(["--port", "0", "--services", sys.argv[1]]))
"""


@pytest.fixture
def unread(services: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A server whose log nobody reads any more, and its port."""
    write_service(services, TALKATIVE, "talkative.py")
    with subprocess.Popen(
        [sys.executable, str(ROOT / "smanager.py"), "--port", "0", "--services", str(services)],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        bufsize=0,  # what is not asked for stays in the pipe
    ) as process:
        assert process.stderr is not None
        yield process, int(process.stderr.readline().rpartition(b":")[2])
        process.kill()


def test_a_log_that_nobody_reads_stalls_nothing(unread: tuple[subprocess.Popen[bytes], int]) -> None:
    process, port = unread
    assert ask(port, f"talkative talk {WAITING_LINES + 1000}") == b"said\n"
    assert ask(port, "hostname") == b"mycomputerhostname\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(SECONDS) == 0


def test_a_log_that_was_closed_stalls_nothing(unread: tuple[subprocess.Popen[bytes], int]) -> None:
    process, port = unread
    assert process.stderr is not None
    process.stderr.close()
    assert ask(port, "talkative talk 10; hostname") == b"said\nmycomputerhostname\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(SECONDS) == 0


def test_a_child_that_ends_while_the_loop_is_closed_is_nothing_to_tell_of(services: Path) -> None:
    command = [sys.executable, "-c", SIGNAL_AT_THE_END, str(services)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("listening on ")
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=SECONDS)[1] == "stopping\n"
        assert process.returncode == 0


def test_a_line_has_its_time_and_its_service(start: Callable[..., Server], services: Path) -> None:
    write_service(services, TALKATIVE, "talkative.py")
    server = start("--services", services)
    assert server.ask("talkative talk 1000") == "said\n"
    server.wait_for_log(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d talkative: x+ 999$")


@pytest.mark.parametrize("closed", ["2>&-", "<&- 2>&-", "<&- >&- 2>&-"])
def test_a_manager_with_closed_streams_serves_as_any_other(services: Path, closed: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    script = f"exec {sys.executable} {ROOT / 'smanager.py'} --port {port} --services {services} {closed}"
    with subprocess.Popen(["sh", "-c", script]) as process:
        try:
            wait_for(lambda: listens(port) or process.poll() is not None, "the port to be open")
            assert ask(port, "hostname") == b"mycomputerhostname\n"
            process.send_signal(signal.SIGTERM)
            assert process.wait(SECONDS) == 0
        finally:
            process.kill()


def listens(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0
