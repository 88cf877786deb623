"""The servers under test, each in its own process on a free loopback port."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent

SMANAGER = [sys.executable, str(HERE.parent / "smanager.py"), "--port", "0", "--services", str(HERE / "services")]
ASYNCIO_ECHO = [sys.executable, str(HERE / "references.py"), "asyncio"]
ASYNCIO_CMD = [sys.executable, str(HERE / "references.py"), "cmd"]
THREAD_SERVER = [sys.executable, str(HERE / "references.py"), "threads"]

READY = re.compile(r"listening on ([\d.]+):(\d+)$")

START_DEADLINE = 10.0  # seconds from exec to listening; a slow and busy machine takes one
STOP_DEADLINE = 10.0  # seconds from SIGTERM to exit, with thousands of sessions to close
ANSWER_DEADLINE = 10.0  # seconds for one answer of an idle server

Address = tuple[str, int]


class BenchmarkError(Exception):
    """A measurement failed; the text says why, in one line."""


@dataclasses.dataclass(frozen=True, slots=True)
class Server:
    """A listening server: its process id and its address."""

    pid: int
    address: Address


@contextlib.contextmanager
def running(command: list[str]) -> Iterator[Server]:
    """Run the server that this command starts, until the body ends.

    Raises BenchmarkError if the server ends, or does not report within START_DEADLINE that it listens.
    """
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        watchdog = threading.Timer(START_DEADLINE, process.kill)
        watchdog.start()
        try:
            server = Server(process.pid, address_from(process.stderr))
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


@contextlib.contextmanager
def smanager(*options: str) -> Iterator[Server]:
    """Run SManager as it ships: with a state directory, and so with the audit journal, and users' stops and logs."""
    with (
        tempfile.TemporaryDirectory(prefix="benchmark-") as state,
        running([*SMANAGER, "--state-dir", state, *options]) as server,
    ):
        yield server


@contextlib.contextmanager
def redis() -> Iterator[Server]:
    """Run Redis, without persistence."""
    address = ("127.0.0.1", free_port())
    options = ["--bind", address[0], "--port", str(address[1]), "--save", "", "--appendonly", "no"]
    with subprocess.Popen(["redis-server", *options], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        try:
            await_listening(address)
            yield Server(process.pid, address)
        finally:
            stop(process)


def free_port() -> int:
    """A port for a server that cannot pick one itself."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def await_listening(address: Address) -> None:
    """Wait until a server accepts connections. Raises BenchmarkError if it does not within START_DEADLINE."""
    deadline = time.monotonic() + START_DEADLINE
    while True:
        try:
            socket.create_connection(address, ANSWER_DEADLINE).close()
            return
        except OSError as error:
            if time.monotonic() > deadline:
                raise BenchmarkError(f"nothing listens at {address[0]}:{address[1]}: {error}") from None
            time.sleep(0.02)


def address_from(log: IO[str]) -> Address:
    line = "nothing"
    for line in log:
        if address := READY.search(line):
            return address[1], int(address[2])
    raise BenchmarkError(f"the server did not start; its last output: {line.strip()}")


def read_to_end(log: IO[str]) -> None:
    """Drain the log: an unread one would fill the pipe and block the server."""
    for _ in log:
        pass


def stop(process: subprocess.Popen[Any]) -> None:
    process.terminate()
    try:
        process.wait(STOP_DEADLINE)
    except subprocess.TimeoutExpired:
        process.kill()


def ask(address: Address, request: bytes) -> bytes:
    """Send a request as `echo … | nc -N` does; return the server's whole answer."""
    with socket.create_connection(address, ANSWER_DEADLINE) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))
