"""Programs on terminals of their own, as copies that the nursery makes (`tests/nursery.py`)."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pexpect
from ptyprocess import PtyProcess

from tests.conftest import SECONDS, Server
from tests.nursery import Copy

if TYPE_CHECKING:
    spawn = pexpect.spawn[str]
else:
    spawn = pexpect.spawn


class CopyOnTerminal(PtyProcess):  # type: ignore[misc]  # it has no types
    """A copy, with the methods by which pexpect looks after a process of its own."""

    def __init__(self, copy: Copy, terminal: int) -> None:
        super().__init__(copy.pid, terminal)
        self._copy = copy

    def isalive(self) -> bool:
        if (status := self._copy.poll()) is None:
            return True
        self.exitstatus = status if status >= 0 else None
        self.signalstatus = None if status >= 0 else -status
        self.terminated = True
        return False

    def wait(self) -> int | None:
        self._copy.wait(SECONDS)
        self.isalive()
        return self.exitstatus

    def terminate(self, force: bool = False) -> bool:
        """Wait until it has ended, since its terminal is gone; pexpect would give it 0.3 s."""
        try:
            self._copy.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self._copy.kill()
            raise
        return not self.isalive()


class Terminal(spawn):
    """A program on a terminal, of the size (rows, columns) `dimensions`."""

    def __init__(
        self, program: Path, *arguments: str, dimensions: tuple[int, int], env: Mapping[str, str] | None = None
    ) -> None:
        self._program = [str(program), *arguments]
        super().__init__(
            sys.executable,
            self._program,
            timeout=SECONDS,
            encoding="utf-8",
            dimensions=dimensions,
            env=env or os.environ,
        )

    def _spawnpty(
        self, args: object, *, env: Mapping[str, str], dimensions: tuple[int, int], **_: object
    ) -> PtyProcess:
        terminal, inner = os.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", *dimensions, 0, 0))
        copy = Server.nursery.start_on(inner, self._program, Path.cwd(), env)
        os.close(inner)
        return CopyOnTerminal(copy, terminal)
