"""How the manager asks for hosts: what a template answers, and what is done with one that does not."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from contextlib import suppress

import pytest

from smanager.hosts import template
from smanager.hosts.template import Template, pair


class Templates(Template):
    """Templates that are started as they are needed, and answer as they are told: b"" is an end, None no answer."""

    def __init__(self, *answers: bytes | None) -> None:
        super().__init__()
        self.answers = list(answers)
        self.theirs: list[socket.socket] = []

    def _begin(self) -> socket.socket:
        self._control, theirs = pair()
        self.theirs.append(theirs)
        return self._control

    def _ask(self, data: bytes, descriptors: list[int]) -> socket.socket:
        control = super()._ask(data, descriptors)
        if answer := self.answers.pop(0):
            self.theirs[-1].send(answer)
        elif answer == b"":
            self.theirs[-1].close()
        return control

    async def host(self) -> int:
        return await self.spawn({"name": "web"}, 0, 1)


def test_a_host_is_known_by_its_id() -> None:
    assert asyncio.run(Templates(b"4711").host()) == 4711


def test_another_template_is_asked_where_one_has_ended() -> None:
    async def test() -> None:
        templates = Templates(b"1", b"2", b"3")
        assert [await templates.host(), await templates.host()] == [1, 2]
        templates.theirs[0].close()
        assert (await templates.host(), len(templates.theirs)) == (3, 2)

    asyncio.run(test())


def test_no_other_template_gets_the_socket_of_a_host_that_one_may_have_made_before_its_end() -> None:
    with pytest.raises(ConnectionResetError, match="the process that makes hosts has ended"):
        asyncio.run(Templates(b"").host())


def test_the_reason_why_there_is_no_host_is_told() -> None:
    with pytest.raises(OSError, match=os.strerror(errno.EAGAIN)) as caught:
        asyncio.run(Templates(f"-{errno.EAGAIN}".encode()).host())
    assert caught.value.errno == errno.EAGAIN


def test_no_template_is_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template, "SPAWN_SECONDS", 0.01)
    with pytest.raises(TimeoutError, match=r"no process for a host within 0\.01 s"):
        asyncio.run(Templates(None).host())


def test_an_answer_that_comes_too_late_is_not_taken_for_the_next_one() -> None:
    async def test() -> None:
        templates = Templates(None, b"2")
        given_up = asyncio.create_task(templates.host())
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.wait([given_up])
        with suppress(OSError):  # the template sees that its answer is not wanted
            templates.theirs[0].send(b"1")
        assert await templates.host() == 2

    asyncio.run(test())
