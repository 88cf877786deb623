"""The servers under test, each a process of its own on a free loopback port."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent

SMANAGER = [sys.executable, str(HERE.parent / "smanager.py"), "--port", "0", "--services", str(HERE / "services")]
ASYNCIO_ECHO = [sys.executable, str(HERE / "references.py"), "asyncio"]
THREAD_SERVER = [sys.executable, str(HERE / "references.py"), "threads"]

READY = re.compile(r"listening on ([\d.]+):(\d+)$")

START_DEADLINE = 10.0  # seconds from exec to listening; a slow and busy machine takes one
STOP_DEADLINE = 10.0  # seconds from SIGTERM to the exit, with thousands of sessions to tell
ANSWER_DEADLINE = 10.0  # seconds for one answer of a server that has nothing else to do

Address = tuple[str, int]


class BenchmarkError(Exception):
    """What could not be measured, and why, in one line for the person who runs the benchmark."""


@dataclasses.dataclass(frozen=True, slots=True)
class Server:
    """A server that listens: its process, without its children, and where to reach it."""

    pid: int
    address: Address


@contextlib.contextmanager
def running(command: list[str]) -> Iterator[Server]:
    """The server that this command starts, stopped at the end.

    Raises `BenchmarkError` where it ends, or does not say within `START_DEADLINE` that it listens.
    """
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        watchdog = threading.Timer(START_DEADLINE, process.kill)
        watchdog.start()
        try:
            server = Server(process.pid, address_said_by(process.stderr))
        except BaseException:
            process.kill()
            raise
        finally:
            watchdog.cancel()
        drain = threading.Thread(target=read_to_end, args=(process.stderr,), daemon=True)
        drain.start()
        try:
            yield server
        finally:
            stop(process)
            drain.join(STOP_DEADLINE)


def address_said_by(log: IO[str]) -> Address:
    line = "nothing"
    for line in log:
        if found := READY.search(line):
            return found[1], int(found[2])
    raise BenchmarkError(f"the server did not start; the last that it said: {line.strip()}")


def read_to_end(log: IO[str]) -> None:
    """A log that nobody reads would fill the pipe and stop the server."""
    for _ in log:
        pass


def stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_DEADLINE)
    except subprocess.TimeoutExpired:
        process.kill()


def ask(address: Address, request: bytes) -> bytes:
    """Everything that the server answers to this request, sent as `echo … | nc -N` sends it."""
    with socket.create_connection(address, ANSWER_DEADLINE) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))
