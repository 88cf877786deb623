"""Signals and closed pipes: they end the command on the server before they end the client."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import tshell
from tests.conftest import SECONDS, Server, wait_for
from tests.tshell.conftest import CLIENT, Stub, item


@contextlib.contextmanager
def waiting_client(number: int) -> Iterator[tuple[subprocess.Popen[bytes], socket.socket]]:
    """A client that has sent its command, then got a signal, and has asked the server to end the command."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SECONDS)
        command = [*CLIENT, "-p", str(listener.getsockname()[1]), "hostname"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as client:
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as lines:
                connection.settimeout(SECONDS)
                assert json.loads(lines.readline())["method"] == "shell.execute"
                client.send_signal(number)
                assert json.loads(lines.readline())["method"] == "$/cancelRequest"
                yield client, connection
            client.kill()


CANCELLED = b'{"jsonrpc": "2.0", "id": 1, "error": {"code": -32800, "message": "shell.execute: cancelled"}}\n'


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_command_on_the_server_and_its_last_output_is_shown(number: int) -> None:
    with waiting_client(number) as (client, connection):
        connection.sendall(item("*** hostname: cancelled\n") + CANCELLED)
        assert client.communicate(timeout=SECONDS) == (b"", b"*** hostname: cancelled\n")
        assert client.returncode == 128 + number


def test_a_second_ctrl_c_ends_the_client_at_once() -> None:
    with waiting_client(signal.SIGINT) as (client, _):
        began = time.monotonic()
        client.send_signal(signal.SIGINT)
        assert client.communicate(timeout=SECONDS) == (b"", b"")
        assert client.returncode == 130
        assert time.monotonic() - began < tshell.CANCEL_SECONDS


def test_the_client_does_not_wait_for_a_command_that_ignores_its_cancellation() -> None:
    with waiting_client(signal.SIGINT) as (client, connection):
        ends = time.monotonic() + SECONDS
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < ends:
                connection.sendall(item("still here\n"))
                time.sleep(0.1)
        assert client.wait(SECONDS) == 130
        assert time.monotonic() < ends


def test_an_ignored_hangup_stays_ignored(stub: Stub) -> None:
    code = "import signal, tshell; signal.signal(signal.SIGHUP, signal.SIG_IGN); tshell.leave_upon_signals()"
    code += "; signal.raise_signal(signal.SIGHUP); print('on')"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, cwd=Path(tshell.__file__).parent, check=True
    )
    assert done.stdout == b"on\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_output_comes_at_once_and_a_signal_ends_the_remote_command_first(server: Server, number: int) -> None:
    command = [*CLIENT, "-p", str(server.port), "systemstatus", "tick"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as client:
        assert client.stdout
        first = client.stdout.readline()
        assert first == "a tick\n", client.communicate(timeout=SECONDS)
        client.send_signal(number)
        _, errors = client.communicate(timeout=SECONDS)
        assert client.returncode == 128 + number
        assert errors.startswith("*** systemstatus tick: cancelled")  # "but it still runs", where the machine is busy
    wait_for(lambda: server.ask("jobs") == "", "its end")


def test_nothing_is_said_once_the_output_is_closed() -> None:
    answer = item("a line\n") + item("*** hostname: cancelled\n") + CANCELLED
    reading, writing = os.pipe()
    os.close(reading)
    with contextlib.closing(Stub(lambda line: answer)) as stub:
        command = [*CLIENT, "-p", str(stub.port), "hostname"]
        done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, timeout=SECONDS, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


def test_a_closed_pipe_ends_the_remote_command(server: Server) -> None:
    pipeline = f"{shlex.join(CLIENT)} -p {server.port} systemstatus count 100000000 | head -1"
    done = subprocess.run(["sh", "-c", pipeline], capture_output=True, text=True, timeout=SECONDS, check=True)
    assert (done.stdout, done.stderr) == ("0\n", "")
    wait_for(lambda: server.ask("jobs") == "", "its end")
