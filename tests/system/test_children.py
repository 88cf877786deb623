"""How the ends of children are noticed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from smanager.system.children import LOST, when_ended


def end_of(script: str, reap: bool = False) -> int:
    """The status with which a Python script ends; `reap` if another part of the process gets to know it first."""

    async def run() -> int:
        ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        pid = os.posix_spawn(sys.executable, [sys.executable, "-Sc", script], os.environ)
        if reap:
            os.waitpid(pid, 0)
        when_ended(pid, ended.set_result)
        return await ended

    return asyncio.run(run())


@pytest.fixture(params=["pidfd", "polling"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "polling":
        monkeypatch.delattr(os, "pidfd_open")


@pytest.mark.usefixtures("way")
def test_the_status_is_told() -> None:
    assert end_of("raise SystemExit(3)") == 3
    assert end_of("import os; os.kill(os.getpid(), 9)") == -signal.SIGKILL


@pytest.mark.usefixtures("way")
def test_an_end_that_was_missed_counts_as_a_kill() -> None:
    assert end_of("", reap=True) == LOST
