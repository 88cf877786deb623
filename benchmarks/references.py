"""The reference servers beside SManager, each minimal and well made.

`references.py asyncio` echoes lines from one event loop: close to the most that a Python server can do on one core.
`references.py cmd` hands each line to a bare `cmd.Cmd` from one event loop: the least that a shell on sockets costs.
`references.py threads` is what the stdlib suggests for a shell on sockets, done right: a `cmd.Cmd` in one thread per
connection, one flush per command, and TCP_NODELAY. Neither sends a banner or a prompt, which scripts do not get from
SManager either. Each reports on stderr where it listens.
"""

from __future__ import annotations

import asyncio
import cmd
import contextlib
import io
import socket
import sys
import threading

HOST = "127.0.0.1"
BACKLOG = 1024  # more than the benchmark's clients, so that none has to resend its SYN


def announce(listener: socket.socket) -> None:
    host, port = listener.getsockname()
    print(f"listening on {host}:{port}", file=sys.stderr, flush=True)


class Lines(asyncio.Protocol):
    """Splits what comes into lines, and writes the answer to each."""

    def __init__(self) -> None:
        self._partial = b""

    def answer(self, line: bytes) -> bytes:
        raise NotImplementedError

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            self._transport.write(self.answer(line))


class LineEcho(Lines):
    def answer(self, line: bytes) -> bytes:
        return line + b"\n"


class CmdLines(Lines):
    """A `cmd.Cmd` for each connection, whose output is one write per line."""

    def __init__(self) -> None:
        super().__init__()
        self._shell = PingShell(stdout=io.StringIO())

    def answer(self, line: bytes) -> bytes:
        self._shell.onecmd(line.decode())
        output = self._shell.stdout
        assert isinstance(output, io.StringIO)
        answer = output.getvalue()
        output.seek(0)
        output.truncate()
        return answer.encode()


async def serve_with_asyncio(protocol: type[Lines]) -> None:
    server = await asyncio.get_running_loop().create_server(protocol, HOST, 0, backlog=BACKLOG)
    announce(server.sockets[0])
    await server.serve_forever()


class PingShell(cmd.Cmd):
    """A shell with one command. `cmdloop` writes the prompt and flushes; an empty prompt makes each reply one send."""

    use_rawinput = False
    prompt = ""

    def do_ping(self, line: str) -> None:
        self.stdout.write("pong\n")

    def do_EOF(self, line: str) -> bool:  # noqa: N802 - the name that cmd.Cmd calls at the end of file
        return True


def talk(connection: socket.socket) -> None:
    with (
        contextlib.suppress(ConnectionError),  # the client left in the middle of a reply
        connection,
        connection.makefile("r") as stdin,
        connection.makefile("w") as stdout,
    ):
        PingShell(stdin=stdin, stdout=stdout).cmdloop()


def serve_with_threads() -> None:
    with socket.create_server((HOST, 0), backlog=BACKLOG) as listener:
        announce(listener)
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=talk, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    if sys.argv[1:] == ["asyncio"]:
        asyncio.run(serve_with_asyncio(LineEcho))
    elif sys.argv[1:] == ["cmd"]:
        asyncio.run(serve_with_asyncio(CmdLines))
    elif sys.argv[1:] == ["threads"]:
        serve_with_threads()
    else:
        sys.exit("usage: references.py asyncio|cmd|threads")
