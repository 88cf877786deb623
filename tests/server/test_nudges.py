"""Signals that reach a main thread in readline or at a lock."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator

import pytest

from smanager.server.nudges import DELAYS, NUDGE, nudged
from tests.conftest import wait_for


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_the_main_thread_is_interrupted_again_after_a_signal(loop: asyncio.AbstractEventLoop) -> None:
    got: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: got.append(number))
    try:
        with nudged(loop):
            signal.signal(NUDGE, lambda number, frame: got.append(number))
            os.kill(os.getpid(), signal.SIGUSR1)
            wait_for(lambda: got == [signal.SIGUSR1, *[NUDGE] * len(DELAYS)], lambda: f"nudges after {got}")
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_what_was_there_before_comes_back(loop: asyncio.AbstractEventLoop) -> None:
    before = signal.getsignal(NUDGE)
    with nudged(loop):
        pass
    assert signal.getsignal(NUDGE) == before
    assert signal.set_wakeup_fd(-1) == -1
