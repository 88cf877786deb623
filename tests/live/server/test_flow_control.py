"""Clients that do not read what they asked for: their output waits, and other clients do not."""

from __future__ import annotations

import contextlib
import json
import resource
import signal
import socket
import struct
from collections.abc import Callable
from pathlib import Path

from tests.conftest import SEED_SERVICE, Server, ask_unix
from tests.live.checks import memory, still_serves
from tests.live.server.conftest import TRAPS


def test_callers_that_do_not_read_take_no_places_from_others(shared: Callable[..., Server]) -> None:
    server = shared("[listeners.near]\nunix = 'near.sock'\n", systemstatus=SEED_SERVICE + TRAPS)
    near = str(server.directory / "near.sock")
    with contextlib.ExitStack() as stack:
        for _ in range(70):
            lazy = stack.enter_context(socket.socket(socket.AF_UNIX))  # whose buffers are small
            lazy.connect(near)
            lazy.sendall(b"systemstatus big 1000000\n")
            lazy.recv(1)
        assert ask_unix(near, "systemstatus say alive") == "alive\n"


def test_a_program_that_reads_gets_all_of_many_large_replies(server: Server) -> None:
    request = json.dumps(
        {"jsonrpc": "2.0", "id": 1, "method": "shell.execute", "params": {"line": "systemstatus big 1000000"}}
    )
    with server.connect() as connection:
        connection.sendall(f"{request}\n".encode() * 40)
        replies = connection.makefile("rb")
        assert [len(json.loads(replies.readline())["result"]["output"]) for _ in range(40)] == [1_000_001] * 40


def test_a_program_that_does_not_read_is_held_back(server: Server) -> None:
    request = json.dumps(
        {"jsonrpc": "2.0", "id": 1, "method": "shell.execute", "params": {"line": "systemstatus big 4000000"}}
    )
    with server.connect() as connection:
        before = memory(server)
        connection.sendall(f"{request}\n".encode() * 60)
        for _ in range(50):
            still_serves(server)
        assert memory(server) - before < 120_000_000
        replies = connection.makefile("rb")
        assert len(replies.readline()) > 4_000_000


def test_a_client_that_resets_while_it_is_written_to_leaves_no_traceback(kept: Callable[..., Server]) -> None:
    server = kept(systemstatus=SEED_SERVICE + TRAPS)
    for _ in range(20):
        with server.connect() as connection:
            connection.sendall(b"systemstatus big 1000000\nhostname\n")
            connection.recv(1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    still_serves(server)
    assert not server.find("socket.send")
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(20) == 0


def test_a_burst_of_connections_takes_no_descriptor_from_the_reserve(
    start: Callable[..., Server], services: Path
) -> None:
    server = start("--services", services, "--max-sessions", "350")
    # As after `ulimit -n 512`: its own limit stands at the start, and what it has in reserve is the same.
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (512, 512))
    with contextlib.ExitStack() as stack:
        for _ in range(1000):
            connection = stack.enter_context(socket.socket())
            connection.setblocking(False)
            connection.connect_ex((server.host, server.port))
        still_serves(server)
        assert not server.find("cannot accept")
