"""The host's event loop: made once, and what it awaits keeps the context of its caller."""

from __future__ import annotations

import asyncio
import threading
from time import sleep
from typing import Any

import pytest

from smanager.hosts.child.channel import current_service
from smanager.hosts.child.event_loop import event_loop, give_to_loop, run_in_loop, settle
from tests.conftest import SECONDS, wait_for


async def speaker() -> str | None:
    await asyncio.sleep(0)
    return current_service.get()


async def leave() -> None:
    raise SystemExit("3")


def test_an_async_method_runs_in_the_context_of_its_caller() -> None:
    token = current_service.set("web")
    assert settle(speaker()) == "web"
    current_service.reset(token)
    assert settle(speaker()) is None
    assert settle("plain") == "plain"


def test_an_exception_that_would_end_a_process_does_not_end_the_loop() -> None:
    loop = event_loop()
    with pytest.raises(RuntimeError, match="SystemExit: 3"):
        run_in_loop(leave()).result(SECONDS)
    assert settle(speaker()) is None
    assert event_loop() is loop


def test_what_many_threads_give_to_the_loop_is_done_with_few_wake_ups(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, done, wake_ups = event_loop(), list[int](), list[int]()
    wake = loop.call_soon_threadsafe

    def counted(*call: Any, **options: Any) -> asyncio.Handle:
        wake_ups.append(1)
        return wake(*call, **options)

    def give() -> None:
        for number in range(1000):
            give_to_loop(lambda _, number=number: done.append(number))  # type: ignore[misc]

    monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
    give_to_loop(lambda _: sleep(0.05))  # meanwhile all is given
    threads = [threading.Thread(target=give) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    wait_for(lambda: len(done) == 4000, "all of it")
    assert len(wake_ups) < 1000
