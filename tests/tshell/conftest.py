"""What the tests of the client share: the client as a program, a stub of a server, and a real server."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest

import tshell
from tests.conftest import ROOT, SECONDS, SEED_SERVICE, Server, as_text, run_program, write_service
from tests.terminals import Terminal

CLIENT = [sys.executable, tshell.__file__]

SERVICE = (
    SEED_SERVICE
    + """
    def cmd_fail(self): raise ValueError("no")

    def cmd_args(self, *words): return "|".join(words)

    async def cmd_wait(self):
        import asyncio
        await asyncio.sleep(3600)

    def cmd_count(self, upto: int):
        yield from range(upto)

    def cmd_lines(self, upto: int, length: int):
        for number in range(upto):
            yield f"{number:0{length}}"

    async def cmd_tick(self):
        import asyncio
        try:
            yield "a tick"
            await asyncio.sleep(3600)
        finally:
            yield "the end"

    def cmd_echo(self, value: float): return value

    def cmd_choose(self, what): return what

    def complete_choose(self, *given): return ["a b", "*.txt"]
"""
)
"""The seed's service, with a command for each way that a command may behave."""


class Stub:
    """Answers each connection's requests in a thread, from a table, and records their command lines."""

    def __init__(self, answer: Callable[[str], bytes], listener: socket.socket | None = None) -> None:
        self.lines: list[list[str]] = []  # one list of command lines per connection
        self._answer = answer
        self._listener = listener or socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # the listener is closed: the test is over
            while True:
                connection, _ = self._listener.accept()
                lines: list[str] = []
                self.lines.append(lines)
                with contextlib.suppress(ConnectionError), connection, connection.makefile("rwb") as wire:
                    for request in wire:
                        call = json.loads(request)
                        if call["method"] == "$/cancelRequest":
                            continue
                        assert (call["jsonrpc"], call["method"]) == ("2.0", "shell.execute")
                        params = call["params"]
                        lines.append(params["line"] if isinstance(params, dict) else params[0])
                        answer = self._answer(lines[-1]).replace(b'"id": 1', b'"id": %d' % call["id"])
                        wire.write(answer)
                        wire.flush()
                        if not answer.endswith(b"\n"):
                            break

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(SECONDS)
        assert not self._thread.is_alive()


def item(piece: str) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "method": "$/item", "params": {"id": 1, "value": piece}}).encode() + b"\n"


def result(output: str, status: int = 0) -> bytes:
    reply = {"jsonrpc": "2.0", "id": 1, "result": {"output": output, "status": status}}
    return json.dumps(reply).encode() + b"\n"


COMMANDS = {
    "hostname": result("box\n"),
    "silent": result(""),
    "two words": result("two\n"),
    "say 'a b' -h": result("a b\n"),
    "partly": result("one\n*** partly: ValueError: no\ntwo\n", 1),
    "stars": result("*** a heading\n"),
    "pieces": item("one") + item("\n*") + item("** cut in") + item("to\n**") + item("bold** *** x\n*") + result(""),
    "nonesuch": result("*** nonesuch: unknown command\n", 2),
    "bytes": result("caf\udce9 \x1b[31m\n"),
    "lone": result("\ud800\n"),
    "refused": b'{"jsonrpc":"2.0","id": 1,"error":{"code":-32601,"message":"Method not found"}}\n',
    "null": b'{"jsonrpc": "2.0", "id": null, "error": {"code": -32700, "message": "not JSON: Infinity"}}\n',
    "notified": b'{"jsonrpc": "2.0", "method": "$/unknown"}\n' + result("box\n"),
    "ssh": b"SSH-2.0-OpenSSH_9.2\n",
    "deep": b"[" * 100_000 + b"\n",
    "cut": b'{"jsonrpc":"2.0","id":1,"resu',
    "closed": b"",
    "odd": b'{"jsonrpc":"2.0","id": 1,"result":{"output":5,"status":"0"}}\n',
    "big": result("x" * 5_000_000 + "\n"),
}


@pytest.fixture
def stub() -> Iterator[Stub]:
    stub = Stub(COMMANDS.__getitem__)
    yield stub
    stub.close()


@pytest.fixture
def unix_stub(tmp_path: Path) -> Iterator[str]:
    """The path of a unix socket on which a stub answers."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path := str(tmp_path / "s"))
    listener.listen()
    stub = Stub(COMMANDS.__getitem__, listener)
    yield path
    stub.close()


def run(
    *arguments: str | int, script: bytes = b"", environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run the client on a script's bytes."""
    words, variables = map(str, arguments), os.environ | (environment or {})
    return run_program(Path(tshell.__file__), *words, given=script, environment=variables)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real server, for all tests that leave it as it is."""
    services = tmp_path_factory.mktemp("tshell") / "services"
    write_service(services, SERVICE)
    server = Server("--services", str(services), "--services", str(ROOT / "examples" / "services"))
    yield server
    server.stop()


def run_on(server: Server, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the client on a real server."""
    words = ("-p", str(server.port), *words)
    return as_text(run_program(Path(tshell.__file__), *words, given=(stdin or "").encode()))


def open_session(*options: str, **environment: str) -> pexpect.spawn[str]:
    """Open a session with the client, on a terminal."""
    variables = {**os.environ, "TERM": "xterm", **environment}
    return Terminal(Path(tshell.__file__), *options, dimensions=(30, 90), env=variables)
