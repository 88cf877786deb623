"""Sockets that systemd passes on, and what systemd is told."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

from tests.conftest import ROOT, SECONDS, Server, read_until


def test_listening_sockets_are_taken_from_systemd(directory: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket(socket.AF_UNIX) as local:
        local.bind("local")
        local.listen()
        port = listening.getsockname()[1]
        script = (
            f"import os, sys; os.dup2({local.fileno()}, 20); os.dup2({listening.fileno()}, 3); os.dup2(20, 4); "
            "os.environ.update(LISTEN_FDS='2', LISTEN_PID=str(os.getpid())); "
            f"sys.path.insert(0, {str(ROOT)!r}); "
            "sys.argv = ['smanager', '--services', 'services', '--state-dir', 'state']; "
            "from smanager.cli import main; sys.exit(main())"
        )
        descriptors = [listening.fileno(), local.fileno()]
        server = Server(command=[sys.executable, "-c", script], pass_fds=descriptors)
    assert server.port == port
    assert server.ask("help -s").startswith("TOP:")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect("local")
        connection.sendall(b"help -s\n")
        assert read_until(connection, b"\n").startswith(b"TOP:")
    assert server.stop() == 0


def test_systemd_is_told_of_the_readiness_and_the_end(directory: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind("notify")
        notified.settimeout(SECONDS)
        os.environ["NOTIFY_SOCKET"] = str(directory / "notify")
        os.environ["WATCHDOG_USEC"] = "200000"
        try:
            server = Server("--services", "services", "--state-dir", "state")
        finally:
            del os.environ["NOTIFY_SOCKET"], os.environ["WATCHDOG_USEC"]
        said = [notified.recv(1000) for _ in range(5)]
        assert f"READY=1\nSTATUS=listening on 127.0.0.1:{server.port}".encode() in said
        assert said.count(b"WATCHDOG=1") >= 3
        server.process.send_signal(signal.SIGHUP)
        while not said[-1].startswith(b"RELOADING=1\nMONOTONIC_USEC="):
            said.append(notified.recv(1000))
        server.stop()
        while said[-1] != b"STOPPING=1":
            said.append(notified.recv(1000))
        while not said[-1].startswith(b"EXTEND_TIMEOUT_USEC="):
            said.append(notified.recv(1000))
        assert int(said[-1].partition(b"=")[2]) >= 1_000_000
