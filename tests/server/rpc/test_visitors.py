"""Users who log in through services: what becomes of a login that cannot be checked."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from smanager.hosts.inquiries import Inquiry
from smanager.server.rpc.errors import FAILED
from smanager.server.rpc.visitors import Visitors


class Refused(Inquiry):
    """A login that keeps why it was refused."""

    refusal: tuple[int, str] | None = None

    def refuse(self, code: int, message: str, data: object = None) -> None:
        self.refusal = code, message


def login() -> Refused:
    params = {"host": "192.0.2.7", "user": "anna", "password": "secret"}
    nothing = lambda *_: None  # noqa: E731
    return Refused("door", None, False, "", 0, "log in", params, 1, nothing, nothing, is_login=True)


def test_a_login_that_cannot_be_checked_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    async def by_password(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    settings = SimpleNamespace(logs_in=["password"])
    manager: Any = SimpleNamespace(catalogue=SimpleNamespace(services={"door": SimpleNamespace(settings=settings)}))
    identities: Any = SimpleNamespace(by_password=by_password)

    async def ask() -> Refused:
        inquiry = login()
        Visitors(manager, identities).log_in(inquiry)
        for _ in range(3):
            await asyncio.sleep(0)
        return inquiry

    assert asyncio.run(ask()).refusal == (FAILED, "log in: an internal error; the manager's log has more")
    assert "internal error in a login" in caplog.text
