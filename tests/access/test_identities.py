"""What guesses cost, and whom they may cost nothing: asked of the identities themselves, with real hashes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from smanager.access.audit import Audit
from smanager.access.callers import Caller
from smanager.access.identities import MOST_WAITING, Identities
from smanager.access.origin import Origin, OriginKind
from smanager.access.roles import Roles
from smanager.access.throttle import MOST_FAILURES
from smanager.access.users import User, UsersFile
from smanager.system.outbox import Outbox
from tests.passwords import quick_hash

PASSWORD = "anna's own"


@pytest.fixture
def blocks() -> list[tuple[str, str]]:
    """Which addresses and users were blocked, and what was told of that."""
    return []


@pytest.fixture
def identities(tmp_path: Path, blocks: list[tuple[str, str]]) -> Identities:
    file = UsersFile(tmp_path / "users.json")
    with file.changed() as users:
        users["anna"] = User("anna", ("view",), quick_hash(PASSWORD))
    return Identities(Roles({}, ()), file, Audit(Outbox(), None), blocked=lambda key, text: blocks.append((key, text)))


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long those would have waited whose answers come at once here."""
    asked: list[float] = []

    async def no_wait(seconds: float) -> None:
        asked.append(seconds)

    monkeypatch.setattr("asyncio.sleep", no_wait)
    return asked


def login(
    identities: Identities, place: str, password: str, listener: str = "a", user: str = "anna"
) -> Coroutine[Any, Any, Caller | None]:
    return identities.by_password(user, password, Origin(OriginKind.TCP, place, 1), listener, (), lambda: True)


def test_a_flood_of_guesses_at_one_listener_takes_no_place_at_another(
    identities: Identities, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(password: str, kept: str) -> bool:
        time.sleep(0.01)  # so that all of them are there at the same time
        return password == PASSWORD

    monkeypatch.setattr("smanager.access.identities.is_password", slow)

    async def guess() -> None:
        guesses = (login(identities, f"192.0.2.{number}", "wrong", user=f"user{number}") for number in range(200))
        flood = [asyncio.create_task(guess) for guess in guesses]
        await asyncio.sleep(0)
        assert await login(identities, "198.51.100.1", PASSWORD, "a") is None  # all places are taken there
        assert await login(identities, "198.51.100.1", PASSWORD, "b")
        assert sum(identities._waiting.values()) <= 2 * MOST_WAITING
        for task in flood:
            task.cancel()
        await asyncio.gather(*flood, return_exceptions=True)

    asyncio.run(guess())


def test_who_has_logged_in_from_there_before_is_not_locked_out_by_others(
    identities: Identities, waits: list[float]
) -> None:
    async def guess() -> None:
        assert await login(identities, "192.0.2.1", PASSWORD)
        for number in range(MOST_FAILURES):
            assert await login(identities, f"198.51.100.{number}", "wrong") is None
        assert await login(identities, "203.0.113.1", PASSWORD) is None
        assert await login(identities, "192.0.2.1", PASSWORD)
        assert await login(identities, "203.0.113.1", PASSWORD) is None  # the others' block goes on

    asyncio.run(guess())


def test_who_has_been_here_before_may_not_guess_for_ever_either(identities: Identities, waits: list[float]) -> None:
    async def guess() -> None:
        assert await login(identities, "192.0.2.1", PASSWORD)
        for number in range(MOST_FAILURES):
            assert await login(identities, f"198.51.100.{number}", "wrong") is None
        for _ in range(MOST_FAILURES):
            assert await login(identities, "192.0.2.1", "wrong") is None
        assert await login(identities, "192.0.2.1", PASSWORD) is None

    asyncio.run(guess())


def test_a_failure_takes_as_long_for_who_has_been_here_before(identities: Identities, waits: list[float]) -> None:
    async def guess() -> None:
        assert await login(identities, "192.0.2.1", PASSWORD)
        for number in range(3):
            await login(identities, f"198.51.100.{number}", "wrong")
            await login(identities, f"198.51.100.{number}", "wrong", user="nobody")
        waits.clear()
        await login(identities, "192.0.2.1", "wrong")
        await login(identities, "192.0.2.1", "wrong", user="nobody")

    asyncio.run(guess())
    assert waits[0] == waits[1]


def test_each_address_and_user_that_is_blocked_is_told_once(
    identities: Identities, waits: list[float], blocks: list[tuple[str, str]]
) -> None:
    async def guess() -> None:
        for _ in range(MOST_FAILURES + 5):
            await login(identities, "192.0.2.1", "wrong")

    asyncio.run(guess())
    assert [key for key, _ in blocks] == ["address 192.0.2.1", "user 'anna'"]
    assert blocks[0][1] == "no logins for address 192.0.2.1 in the next 300 s: too many have failed"


def test_no_name_makes_a_line_of_the_log(
    identities: Identities, waits: list[float], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smanager.access.identities.is_password", lambda password, kept: False)

    async def guess() -> None:
        for number in range(MOST_FAILURES):
            await login(identities, f"192.0.2.{number}", "wrong", user="a\n2026 forged")

    asyncio.run(guess())
    (warning,) = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.startswith("no logins for user 'a\\n2026 forged' in the next ")
