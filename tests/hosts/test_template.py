"""How the manager asks for hosts: what a template answers, and what is done with one that does not."""

from __future__ import annotations

import asyncio
import errno
import os
import socket

import pytest

from smanager.hosts import template
from smanager.hosts.template import Template, pair


class Templates(Template):
    """Templates that answer as they are told, one after the other: with nothing at once for b"", and never for None."""

    def __init__(self, *answers: bytes | None) -> None:
        super().__init__()
        self.answers = list(answers)
        self.theirs: list[socket.socket] = []

    def _begin(self) -> socket.socket:
        self._control, theirs = pair()
        if answer := self.answers.pop(0):
            theirs.send(answer)
        if answer == b"":
            theirs.close()
        self.theirs.append(theirs)
        return self._control


def spawned(*answers: bytes | None) -> int:
    async def run() -> int:
        return await Templates(*answers).spawn({"name": "web"}, 0, 1)

    return asyncio.run(run())


def test_a_host_is_known_by_its_id() -> None:
    assert spawned(b"4711") == 4711


def test_another_template_is_asked_where_one_has_ended() -> None:
    assert spawned(b"", b"4711") == 4711


def test_the_reason_why_there_is_no_host_is_told() -> None:
    with pytest.raises(OSError, match=os.strerror(errno.EAGAIN)) as caught:
        spawned(f"-{errno.EAGAIN}".encode())
    assert caught.value.errno == errno.EAGAIN


def test_no_template_is_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template, "SPAWN_SECONDS", 0.01)
    with pytest.raises(TimeoutError, match=r"no process for a host within 0\.01 s"):
        spawned(None, None)
