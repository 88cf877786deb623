"""An execution: its progress is sent from time to time, and its output waits for room."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import nullcontext
from typing import Any

import pytest

from smanager.hosts.child import execution as execution_module
from smanager.hosts.child.execution import MOST_COMPLETIONS, Cancelled, Execution
from smanager.hosts.frames import WINDOW, FrameKind
from tests.conftest import SECONDS
from tests.hosts.child.recorder import Recorder

NOT_HELD = nullcontext()


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(execution_module, "monotonic", clock)
    return clock


@pytest.fixture
def channel() -> Recorder:
    return Recorder()


@pytest.fixture
def execution(channel: Recorder) -> Execution:
    return Execution(channel, 1, "web", print, [])


def test_progress_is_sent_from_time_to_time_and_the_latest_before_anything_else(
    execution: Execution, channel: Recorder, clock: Clock
) -> None:
    for text, later in [("1", 0.0), ("2", 0.05), ("3", 0.04), ("4", 0.02), ("5", 0.0)]:
        clock.now += later
        execution.send(FrameKind.PROGRESS, text)
    execution.send(FrameKind.TEXT, "out")
    execution.send(FrameKind.RESULT, "")
    assert channel.sent() == [
        (FrameKind.PROGRESS, "1"),
        (FrameKind.PROGRESS, "4"),
        (FrameKind.PROGRESS, "5"),
        (FrameKind.TEXT, "out"),
        (FrameKind.RESULT, ""),
    ]


def test_output_takes_the_windows_room_and_waits_for_more(execution: Execution) -> None:
    execution.take(WINDOW, NOT_HELD)
    waiting = threading.Thread(target=execution.take, args=[1, NOT_HELD])
    waiting.start()
    execution.grant(WINDOW // 4)
    waiting.join(SECONDS)
    assert not waiting.is_alive()


def test_a_wait_for_room_is_held(execution: Execution) -> None:
    held = []

    class Holding:
        def __enter__(self) -> None:
            held.append("begin")
            execution.grant(1)

        def __exit__(self, *_: object) -> None:
            held.append("end")

    execution.take(WINDOW, Holding())
    assert not held
    execution.take(1, Holding())
    assert held == ["begin", "end"]


def test_a_wait_for_room_ends_when_it_is_cancelled(execution: Execution) -> None:
    execution.take(WINDOW, NOT_HELD)
    ends: list[type[BaseException]] = []

    def wait() -> None:
        try:
            execution.take(1, NOT_HELD)
        except Cancelled:
            ends.append(Cancelled)

    waiting = threading.Thread(target=wait)
    waiting.start()
    execution.cancel()
    waiting.join(SECONDS)
    assert ends == [Cancelled]
    with pytest.raises(Cancelled):
        execution.take(0, NOT_HELD)


def test_in_the_event_loop_a_wait_for_room_blocks_nothing_else(execution: Execution) -> None:
    async def run() -> None:
        await execution.take_in_loop(WINDOW)
        waiting = asyncio.ensure_future(execution.take_in_loop(1))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        await asyncio.to_thread(execution.grant, 2)
        await asyncio.wait_for(waiting, SECONDS)
        execution.cancel()
        with pytest.raises(asyncio.CancelledError):
            await execution.take_in_loop(0)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (["a", 5], ["a", "5"]),
        (None, []),
        (7, []),
        ((str(n) for n in range(10**9)), [str(n) for n in range(MOST_COMPLETIONS)]),
    ],
    ids=["list", "None", "no list", "endless"],
)
def test_words_are_text_and_not_too_many(
    execution: Execution, channel: Recorder, result: Any, words: list[str]
) -> None:
    execution.send_words(result)
    ((kind, text),) = channel.sent()
    assert (kind, json.loads(text)) == (FrameKind.COMPLETIONS, words)


def test_an_exception_is_sent_with_its_type_and_printed(
    execution: Execution, channel: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    execution.fail(OSError("no\ndisk"))
    assert channel.sent() == [(FrameKind.ERROR, '["OSError","no disk"]')]
    assert capsys.readouterr().out == "print failed:\nOSError: no\ndisk\n"


def test_what_no_method_has_raised_has_no_type(execution: Execution, channel: Recorder) -> None:
    execution.give_up("cancelled")
    assert channel.sent() == [(FrameKind.ERROR, '["","cancelled"]')]
