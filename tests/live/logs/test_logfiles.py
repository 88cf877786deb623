"""Services' log files on a disk that is full."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path

from tests.conftest import Server, is_in, wait_for
from tests.live.checks import pid_of
from tests.live.samples import SLEEPER


def test_a_disk_that_is_full_loses_lines_and_nothing_else(kept: Callable[..., Server], directory: Path) -> None:
    server = kept('[services.writer]\nprogram = ["sh", "-c", "while :; do echo line; sleep 0.01; done"]\n' + SLEEPER)
    is_in(server, "writer", "running")
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (100, 100))
    wait_for(lambda: "lines of writer could not be written to its file" in server.ask("logs -n 1 writer"), "the count")
    os.kill(pid_of(server, "sleeper"), signal.SIGKILL)
    server.wait_for_log("sleeper: killed by SIGKILL; started again at once")
    assert server.ask("stop writer").startswith("writer: stopped")
