"""The host's event loop: made once, and what it awaits keeps the context of its caller."""

from __future__ import annotations

import asyncio

import pytest

from smanager.hosts.child.channel import current_service
from smanager.hosts.child.event_loop import event_loop, run_in_loop, settle
from tests.conftest import SECONDS


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
