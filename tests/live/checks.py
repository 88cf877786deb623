"""What several tests look at in a running manager and in the processes of its services."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import Server
from tests.processes import shown


def memory(server: Server) -> int:
    """The manager's resident memory in bytes."""
    return _status(server, "VmRSS")


@contextmanager
def at_most_more_memory(server: Server, most: int) -> Iterator[None]:
    """Check that the manager never has `most` bytes more of resident memory meanwhile than before."""
    before = memory(server)
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")  # its peak is counted from here (proc(5))
    yield
    assert _status(server, "VmHWM") - before < most


def _status(server: Server, name: str) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition(f"{name}:")[2].split()[0]) * 1024


def still_serves(server: Server) -> None:
    assert server.ask("hostname") == "mycomputerhostname\n"
    assert not server.find("Traceback|internal error"), server.log


def pid_of(server: Server, name: str) -> int:
    found = re.search(rf"^{name}\t\w+\t(\d+)\t", server.ask(f"status {name}"), re.MULTILINE)
    assert found, server.ask(f"status {name}")
    return int(found.group(1))


MARK = str(10_000_000 + os.getpid())
"""What the programs here sleep for, by which those of this run are found."""


def sleepers() -> list[int]:
    return [process.pid for process in shown() if process.command.endswith(f"sleep {MARK}")]
