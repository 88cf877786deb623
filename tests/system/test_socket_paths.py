"""Sockets whose paths are longer than the system takes."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from smanager.system.socket_paths import LONGEST, shortened


@pytest.mark.parametrize("length", [1, 250])
def test_a_socket_can_be_bound_and_found_in_a_directory_with_any_name(tmp_path: Path, length: int) -> None:
    directory = tmp_path / ("d" * length)
    directory.mkdir()
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as client:
        with shortened(directory / "s") as address:
            assert len(address) <= LONGEST
            listening.bind(address)
        listening.listen()
        assert (directory / "s").is_socket()
        with shortened(directory / "s") as address:
            client.connect(address)


def test_a_directory_that_is_missing_is_told_as_usual(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), shortened(tmp_path / ("d" * 250) / "s"):
        pass
