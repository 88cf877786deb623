"""`smanager attach`: the running manager, found by its configuration, as a client that tshell can use."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import tshell
from smanager.config.file import ConfigError
from smanager.config.place import SOCKET, Place
from smanager.supervision.storage import Holder
from smanager.system.socket_paths import shortened


class RunningManager(tshell.Client):
    """The manager of a configuration, as its own user finds it."""

    def __init__(self, place: Place, state_dir: Path | None, start: str) -> None:
        """`state_dir` is the configured state directory; `start` is the command that starts a manager."""
        super().__init__(unix=SOCKET)
        self.name = str(place.shown)
        self._place = place
        self._state_dir = state_dir
        self._start = start

    def connect(self) -> socket.socket:
        try:
            return super().connect()
        except ConnectionError as error:
            if isinstance(error.__cause__, PermissionError):
                raise
            raise ConnectionError(f"no manager of {self.name} runs; `{self._start}` starts one") from error

    def _dial(self) -> socket.socket:
        for directory in self._directories():
            with suppress(FileNotFoundError, ConnectionRefusedError), shortened(directory / SOCKET) as self._unix:
                return super()._dial()
        raise ConnectionRefusedError

    def _directories(self) -> Iterator[Path]:
        """Where the state may be: in the configured directory, or the one that the lock of the configuration names."""
        if self._state_dir:
            yield self._state_dir
        places: list[Path | None] = []
        with suppress(ConfigError):
            places.append(self._place.directory())
        if os.geteuid() == 0:  # as with sudo
            places.append(self._place.of_owner())
        for holder in map(Holder.of, filter(None, places)):
            if holder:
                yield holder.state
