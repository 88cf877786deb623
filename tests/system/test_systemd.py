"""systemd's conventions."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from smanager.system import systemd


def test_systemd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        monkeypatch.setattr(systemd, "_NOTIFY_SOCKET", str(tmp_path / "notify"))
        systemd.notify("READY=1", "STATUS=up")
        assert listener.recv(100) == b"READY=1\nSTATUS=up"


@pytest.mark.parametrize("address", ["", "/nowhere/notify", "vsock:2:1"])
def test_a_systemd_that_cannot_be_told_does_no_harm(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemd, "_NOTIFY_SOCKET", address)
    systemd.notify("READY=1")


def test_sockets_for_another_process_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_PID", str(os.getpid() + 1))
    monkeypatch.setenv("LISTEN_FDS", "1")
    assert systemd.passed_sockets() == {}
    assert "LISTEN_FDS" not in os.environ
