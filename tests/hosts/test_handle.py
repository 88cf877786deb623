"""What a host sends: reports go to its residents, answers to their questions, and garbage ends the host."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from smanager.access.callers import Caller
from smanager.access.origin import CONSOLE
from smanager.commands.arguments import Arguments
from smanager.commands.record import Command, Failure
from smanager.hosts import handle
from smanager.hosts.frames import FrameKind, encode, encode_data, encode_failure, encode_text
from smanager.hosts.handle import Host
from smanager.hosts.inquiries import Inquiry
from smanager.hosts.job import BoundCommand, Invocation
from smanager.system.outbox import Outbox
from smanager.system.sockets import Sockets
from smanager.system.turns import Turns

ANN = Caller(CONSOLE, "ann")
CHECK = Command("check", "")


class House:
    """A host that has no process, and a resident of it; what they are told is kept."""

    name = "web"
    watchdog = 0.0

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.lines: list[tuple[str | None, str]] = []
        self.asked: list[Inquiry] = []
        log, answer = lambda service, line: self.lines.append((service, line)), lambda: self.asked.append
        self.host = Host("host", 0, Sockets(Outbox(), Turns()), {"web": self}, log, answer, self.died)

    def died(self, reason: str, clean: bool) -> None:
        self.told.append(("died", reason, clean))

    def ready(self) -> None:
        self.told.append(("ready",))

    def read(self, contents: object) -> None:
        self.told.append(("read", contents))

    def spawned(self, pid: int) -> None:
        self.told.append(("spawned", pid))

    def reported(self, kind: str, text: str, about: str, over: bool | None) -> None:
        self.told.append(("reported", kind, text, about, over))

    def hangs(self, reason: str) -> None:
        self.told.append(("hangs", reason))

    def ended(self, reason: str | None, clean: bool, by_itself: bool = True) -> None:
        self.told.append(("ended", reason, clean, by_itself))


class Sink:
    """Fails at some words."""

    as_data = True
    columns = 0

    def __init__(self) -> None:
        self.taken: list[str] = []

    def text(self, value: Any) -> str:
        return str(value)

    def write(self, text: str) -> None:
        if text == "fail":
            raise ZeroDivisionError
        if text == "deep":
            raise RecursionError
        self.taken.append(text)

    def value(self, value: Any) -> None: ...
    def item(self, value: Any) -> None: ...
    def progress(self, done: float, total: float | None, text: str) -> None: ...


def in_house(test: Callable[[House], Awaitable[None]]) -> Callable[[], None]:
    async def run() -> None:
        await test(House())

    return lambda: asyncio.run(run())


@in_house
async def test_reports_go_to_the_resident_that_they_are_about(house: House) -> None:
    for name in ("web", "left"):
        house.host.received(encode_data(FrameKind.SPAWNED, 0, [name, 4711]))
        house.host.received(encode_data(FrameKind.READ, 0, [name, [[3, 5]]]))
        house.host.received(encode_data(FrameKind.READY, 0, [name, None]))
        house.host.received(encode_data(FrameKind.HUNG, 0, [name, "silent"]))
        house.host.received(encode_data(FrameKind.ENDED, 0, [name, None, True]))
        house.host.received(encode_data(FrameKind.LOG, 0, [name, "a line"]))
    assert house.told == [
        ("spawned", 4711),
        ("read", [[3, 5]]),
        ("ready",),
        ("hangs", "silent"),
        ("ended", None, True, True),
    ]
    assert house.lines == [("web", "a line"), ("left", "a line")]


@pytest.mark.parametrize(
    "frame",
    [
        b"Traceback (most recent call last):",
        encode(FrameKind.START, 0),
        encode_data(FrameKind.SPAWNED, 0, ["web", 1]),
        encode_data(FrameKind.SPAWNED, 0, ["web", -5]),
        encode_data(FrameKind.ENDED, 0, ["web", 5, True]),
        encode_data(FrameKind.READY, 0, [5, None]),
        encode_data(FrameKind.LOADED, 0, ["a.py", []]),
        encode_data(FrameKind.PONG, 1, {"web": "x"}),
        encode_data(FrameKind.MEASURED, 1, [["web"]]),
        encode_data(FrameKind.COMPLETIONS, 1, [5]),
    ],
)
def test_garbage_is_logged_and_nothing_after_it_counts(frame: bytes) -> None:
    @in_house
    async def test(house: House) -> None:
        house.host.received(frame + encode_data(FrameKind.READY, 0, ["web", None]))
        assert not house.told
        ((service, line),) = house.lines
        assert (service, line.partition(": ")[0]) == (None, "the host sent garbage and is killed")

    test()


@in_house
async def test_a_call_takes_its_own_frames_until_its_last(house: House) -> None:
    ends: list[Failure | None] = []
    sinks = Sink(), Sink()
    for sink in sinks:
        call = house.host.call(Invocation(BoundCommand(CHECK, "web", Arguments([], {}), "web check"), ANN, sink))
        call.ended = ends.append
    house.host.received(encode_text(FrameKind.TEXT, 1, "a") + encode_text(FrameKind.TEXT, 2, "b"))
    house.host.received(encode_failure(2, Failure("no", "OSError")) + encode_text(FrameKind.TEXT, 2, "late"))
    house.host.received(encode_text(FrameKind.RESULT, 1, "") * 2 + encode_text(FrameKind.TEXT, 99, "nobody's"))
    assert [sink.taken for sink in sinks] == [["a"], ["b"]]
    assert ends == [Failure("no", "OSError"), None]
    assert not house.lines


@pytest.mark.parametrize(
    ("frame", "failure"),
    [
        (encode(FrameKind.VALUE, 1, b"{"), "its result cannot be read: VALUE frame without JSON: "),
        (encode(FrameKind.VALUE, 1, b"9" * 5000), "its result cannot be read: VALUE frame without JSON: "),
        (encode(FrameKind.ITEM, 1, b"[" * 100_000), "its result cannot be read: ITEM frame without JSON: "),
        (encode_data(FrameKind.PROGRESS, 1, ["a"]), "its result cannot be read: PROGRESS frame with "),
        (encode_data(FrameKind.ERROR, 1, [1]), "its result cannot be read: ERROR frame with "),
        (encode_text(FrameKind.TEXT, 1, "fail"), "internal error"),
        (encode_text(FrameKind.RESULT, 1, "fail"), "internal error"),
        (encode_text(FrameKind.TEXT, 1, "deep"), "its result is nested too deeply"),
    ],
)
def test_a_frame_that_cannot_be_taken_ends_its_call_and_nothing_else(frame: bytes, failure: str) -> None:
    @in_house
    async def test(house: House) -> None:
        ends: list[list[Failure | None]] = [[], []]
        for its_ends in ends:
            invocation = Invocation(BoundCommand(CHECK, "web", Arguments([], {}), "web check"), ANN, Sink())
            call = house.host.call(invocation)
            call.ended = its_ends.append
        house.host.received(frame)
        house.host.received(encode_failure(1, Failure("cancelled")) + encode_text(FrameKind.RESULT, 2, "fine"))
        ((ended,), others) = ends
        assert ended
        assert ended.message.startswith(failure)
        assert others == [None]
        assert not house.lines
        assert not house.host._calls

    test()


@in_house
async def test_metrics_are_asked_for_once_a_host_has_any(house: House) -> None:
    assert not house.host.has_metrics
    house.host.received(encode_data(FrameKind.MEASURED, 0, [{}]))
    assert house.host.has_metrics
    asking = asyncio.ensure_future(house.host.metrics())
    await asyncio.sleep(0)
    house.host.received(encode_data(FrameKind.MEASURED, 1, [{"web": [5]}]))
    assert await asking == {"web": [5]}


@in_house
async def test_a_host_that_does_not_answer_in_time_has_no_metrics(house: House) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(handle, "METRICS_SECONDS", 0.01)
        assert await house.host.metrics() == {}


@in_house
async def test_words_are_none_when_the_completer_has_failed(house: House) -> None:
    asking = asyncio.ensure_future(house.host.complete("ann", "web", "check", "x", "check x", 6, 7))
    await asyncio.sleep(0)
    house.host.received(encode_failure(1, Failure("no", "AttributeError")))
    assert await asking == []


@in_house
async def test_words_are_what_the_completer_has_found(house: House) -> None:
    asking = asyncio.ensure_future(house.host.complete("ann", "web", "check", "x", "check x", 6, 7))
    await asyncio.sleep(0)
    house.host.received(encode_data(FrameKind.COMPLETIONS, 1, ["xa", "xb"]))
    assert await asking == ["xa", "xb"]
