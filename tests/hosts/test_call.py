"""A call as the manager sees it: what reaches its sink, how the host is held back, and how its end is told."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from smanager.access.callers import Caller
from smanager.access.origin import CONSOLE
from smanager.commands.arguments import Arguments
from smanager.commands.record import Command, Failure
from smanager.hosts import call as call_module
from smanager.hosts.call import CALL_KINDS, VALUE_LIMIT, Call
from smanager.hosts.frames import WINDOW, Frame, FrameDecoder, FrameError, FrameKind
from smanager.hosts.job import BoundCommand, Invocation

NUMBER = 7
CHECK = Command("check", "")
ANN = Caller(CONSOLE, "ann")
QUARTER = "x" * (WINDOW // 4)


class Recorder:
    """A sink, the host's end, and who is told of the end."""

    as_data = False
    columns = 0

    def __init__(self) -> None:
        self.taken: list[Any] = []
        self.sent: list[tuple[FrameKind, bytes]] = []
        self.ends: list[tuple[str, Failure | None]] = []
        self.call = Call(
            NUMBER, Invocation(BoundCommand(CHECK, "web", Arguments([], {}), "web check"), ANN, self), self.send
        )
        self.call.ended = lambda failure: self.ends.append(("ended", failure))
        self.call.gone = lambda failure: self.ends.append(("gone", failure))

    def text(self, value: Any) -> str:
        return str(value)

    def send(self, frame: bytes) -> None:
        ((kind, number, payload),) = FrameDecoder().receive(frame)
        assert number == NUMBER
        self.sent.append((kind, payload))

    def write(self, text: str) -> None:
        self.taken.append(text)

    def value(self, value: Any) -> None:
        self.taken.append(("value", value))

    def item(self, value: Any) -> None:
        self.taken.append(("item", value))

    def progress(self, done: float, total: float | None, text: str) -> None:
        self.taken.append(("progress", done, total, text))

    def receive(self, kind: FrameKind, payload: str | bytes) -> None:
        payload = payload if isinstance(payload, bytes) else payload.encode()
        self.call.decoded(Frame(kind, NUMBER, payload))()


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def both(failure: Failure | None) -> list[tuple[str, Failure | None]]:
    return [("gone", failure), ("ended", failure)]


def test_output_comes_piece_by_piece_and_the_end_after_the_last(recorder: Recorder) -> None:
    recorder.receive(FrameKind.TEXT, "a\n")
    recorder.receive(FrameKind.PROGRESS, '[1, null, "half"]')
    recorder.receive(FrameKind.ITEM, '{"n": 1}')
    assert not recorder.ends
    recorder.receive(FrameKind.RESULT, "b\n")
    assert recorder.taken == ["a\n", ("progress", 1, None, "half"), ("item", {"n": 1}), "b\n"]
    assert recorder.ends == both(None)


@pytest.mark.parametrize("pieces", [1, 3])
def test_a_value_arrives_whole_in_one_frame_or_in_pieces(recorder: Recorder, pieces: int) -> None:
    text = json.dumps({"a": [1, 2.5, None]})
    if pieces == 1:
        recorder.receive(FrameKind.VALUE, text)
    else:
        for start in range(0, len(text), len(text) // pieces + 1):
            recorder.receive(FrameKind.DATA, text[start : start + len(text) // pieces + 1])
        recorder.receive(FrameKind.RESULT, "")
    assert recorder.taken == [("value", {"a": [1, 2.5, None]})]
    assert recorder.ends == both(None)


@pytest.mark.parametrize("failure", [Failure("division by zero", "ZeroDivisionError"), Failure("busy")])
def test_a_failure_carries_its_type(recorder: Recorder, failure: Failure) -> None:
    recorder.receive(FrameKind.ERROR, json.dumps([failure.type, failure.message]))
    assert recorder.ends == both(failure)


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (FrameKind.VALUE, "{"),
        (FrameKind.ITEM, "["),
        (FrameKind.PROGRESS, '["half", null, ""]'),
        (FrameKind.ERROR, '"ValueError"'),
        (FrameKind.ERROR, '["ValueError", 5]'),
        (FrameKind.PONG, "{}"),
    ],
)
def test_garbage_is_an_error_and_changes_nothing(recorder: Recorder, kind: FrameKind, payload: str) -> None:
    with pytest.raises(FrameError):
        recorder.receive(kind, payload)
    assert (recorder.taken, recorder.ends) == ([], [])


def test_a_value_whose_pieces_are_not_json_is_an_error(recorder: Recorder) -> None:
    recorder.receive(FrameKind.DATA, "[1, ")
    with pytest.raises(FrameError):
        recorder.receive(FrameKind.RESULT, "")


def test_the_host_is_asked_for_more_once_a_quarter_of_the_window_was_taken(recorder: Recorder) -> None:
    recorder.receive(FrameKind.TEXT, QUARTER[1:])
    assert not recorder.sent
    recorder.receive(FrameKind.TEXT, "é")  # a character, though two bytes
    assert recorder.sent == [(FrameKind.MORE, str(len(QUARTER)).encode())]


def test_while_paused_the_host_is_not_asked_for_more(recorder: Recorder) -> None:
    recorder.call.pause()
    recorder.receive(FrameKind.TEXT, QUARTER)
    recorder.receive(FrameKind.TEXT, QUARTER)
    assert not recorder.sent
    recorder.call.resume()
    assert recorder.sent == [(FrameKind.MORE, str(2 * len(QUARTER)).encode())]


def test_progress_is_left_out_for_a_caller_that_ignores_it(recorder: Recorder) -> None:
    recorder.call.is_quiet = True
    recorder.receive(FrameKind.PROGRESS, '[1, 2, ""]')
    assert not recorder.taken


def test_nothing_is_taken_from_a_cancelled_method_and_its_end_is_the_reason(recorder: Recorder) -> None:
    async def cancel() -> None:
        recorder.receive(FrameKind.DATA, "[1, ")
        recorder.call.cancel("it took longer than 1 s")
        for kind in CALL_KINDS - {FrameKind.RESULT, FrameKind.VALUE, FrameKind.ERROR}:
            recorder.receive(kind, '[1, 2, ""]')
        recorder.receive(FrameKind.RESULT, "rest")

    asyncio.run(cancel())
    assert (recorder.taken, recorder.sent) == ([], [(FrameKind.CANCEL, b"")])
    assert recorder.ends == both(Failure("it took longer than 1 s"))


def test_the_caller_of_a_method_that_cannot_be_ended_does_not_wait_and_is_told_once(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cancel() -> None:
        monkeypatch.setattr(call_module, "GRACE_SECONDS", 0.0)
        recorder.call.cancel()
        recorder.call.cancel("again")
        await asyncio.sleep(0.01)
        assert recorder.ends == [("ended", still_running)]
        recorder.call.end(Failure("its host died"))
        await asyncio.sleep(0.01)

    still_running = Failure("cancelled, but it still runs; `jobs` lists it until it ends")
    asyncio.run(cancel())
    assert recorder.sent == [(FrameKind.CANCEL, b"")] * 2
    assert recorder.ends == [("ended", still_running), ("gone", Failure("cancelled"))]


def test_a_value_that_is_too_large_cancels_its_method(recorder: Recorder) -> None:
    async def flood() -> None:
        for _ in range(VALUE_LIMIT // len(QUARTER) + 2):
            recorder.receive(FrameKind.DATA, QUARTER)
        recorder.receive(FrameKind.RESULT, "")

    asyncio.run(flood())
    assert recorder.taken == []
    assert recorder.sent.count((FrameKind.CANCEL, b"")) == 1
    assert recorder.ends == both(Failure("its result is larger than 4194304 characters; it should yield parts"))
