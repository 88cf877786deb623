"""What services ask the manager: who is refused at once, and a stream that waits for its reader."""

from __future__ import annotations

import json
from typing import Any

import pytest

from smanager.access.callers import Caller
from smanager.access.origin import CONSOLE
from smanager.commands.arguments import Arguments
from smanager.commands.record import Command
from smanager.hosts.call import Call
from smanager.hosts.frames import PAYLOAD_LIMIT, WINDOW, Frame, FrameDecoder, FrameError, FrameKind
from smanager.hosts.inquiries import MOST_INQUIRIES, REFUSED, TOO_MUCH_OUTPUT, Inquiries, Inquiry
from smanager.hosts.job import BoundCommand, Invocation

HALF = "x" * (WINDOW // 2)


class Desk:
    """Where inquiries arrive, and what is sent back; it keeps what is done to an answer."""

    as_data = True
    columns = 0

    def __init__(self) -> None:
        self.asked: list[Inquiry] = []
        self.done: list[str] = []
        self.sent: list[Frame] = []
        self.inquiries = Inquiries(lambda data: self.sent.extend(FrameDecoder().receive(data)), lambda: self.take)
        check = Invocation(
            BoundCommand(Command("check", ""), "web", Arguments([], {}), "web check"), Caller(CONSOLE), self
        )
        self.call = Call(3, check, print)

    def text(self, value: Any) -> str:
        return str(value)

    def take(self, inquiry: Inquiry) -> Desk:
        self.asked.append(inquiry)
        return self

    def ask(self, number: int = 1, call: int = 0, service: str = "web", for_caller: bool = False) -> Inquiry | None:
        before = len(self.asked)
        frame = Frame(FrameKind.ASK, number, encoded([service, call, for_caller, "", 0, "status", {}]))
        self.inquiries.begin(frame, {3: self.call})()
        return self.asked[-1] if len(self.asked) > before else None

    def cancel(self) -> None:
        self.done.append("cancel")

    def pause(self) -> None:
        self.done.append("pause")

    def resume(self) -> None:
        self.done.append("resume")

    def write(self, text: str) -> None: ...
    def value(self, value: Any) -> None: ...
    def item(self, value: Any) -> None: ...
    def progress(self, done: float, total: float | None, text: str) -> None: ...


def encoded(data: object) -> bytes:
    return json.dumps(data).encode()


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_an_answer_reaches_its_question(desk: Desk) -> None:
    inquiry = desk.ask(5, call=3)
    assert inquiry is not None
    assert inquiry.within is desk.call
    inquiry.item("1")
    inquiry.answer('"done"')
    assert desk.sent == [Frame(FrameKind.PART, 5, b"1"), Frame(FrameKind.ANSWER, 5, b'"done"')]
    desk.inquiries.end()
    assert desk.done == []


@pytest.mark.parametrize("params", [1, "x", None])
def test_garbage_is_refused(desk: Desk, params: object) -> None:
    with pytest.raises(FrameError):
        desk.inquiries.begin(Frame(FrameKind.ASK, 1, encoded(["web", 0, False, "", 0, "status", params])), {})
    with pytest.raises(FrameError):
        desk.inquiries.taken(Frame(FrameKind.TAKEN, 1, encoded("x")))
    with pytest.raises(FrameError):
        desk.inquiries.log_in(Frame(FrameKind.LOG_IN, 1, encoded(["web", params])))


def test_nobody_acts_for_a_caller_whose_command_has_ended(desk: Desk) -> None:
    assert desk.ask(call=4, for_caller=True) is None
    assert refusals(desk) == [(REFUSED, "status: the command that asked has ended")]
    assert desk.ask(call=0, for_caller=True) is None
    assert len(refusals(desk)) == 2


def test_a_service_may_not_ask_without_end(desk: Desk) -> None:
    for number in range(MOST_INQUIRIES):
        assert desk.ask(number)
    assert desk.ask(MOST_INQUIRIES) is None
    assert refusals(desk)[-1][0] == REFUSED
    assert desk.ask(MOST_INQUIRIES, service="other")
    desk.asked[0].answer("1")
    assert desk.ask(MOST_INQUIRIES + 1)


def test_users_who_have_logged_in_are_counted_by_themselves(desk: Desk) -> None:
    for number in range(MOST_INQUIRIES):
        desk.inquiries.log_in(Frame(FrameKind.LOG_IN, number, encoded(["web", {}])))()
    assert {inquiry.is_login for inquiry in desk.asked} == {True}
    assert refusals(desk) == []
    desk.inquiries.log_in(Frame(FrameKind.LOG_IN, MOST_INQUIRIES, encoded(["web", {}])))()
    assert refusals(desk) == [(REFUSED, "log in: web has 256 users who have logged in; at most so many")]
    inquiry = desk.ask(MOST_INQUIRIES + 1)
    assert inquiry is not None
    inquiry.progress(1, None, "half")
    kind, _, payload = desk.sent[-1]
    assert (kind, json.loads(payload)) == (FrameKind.PROGRESS, [1, None, "half"])


def test_a_result_that_no_frame_holds_is_an_error(desk: Desk) -> None:
    inquiry = desk.ask()
    assert inquiry is not None
    inquiry.answer("x" * (PAYLOAD_LIMIT + 1))
    assert refusals(desk)[0][0] == TOO_MUCH_OUTPUT


def test_a_stream_waits_until_its_items_are_taken(desk: Desk) -> None:
    inquiry = desk.ask()
    assert inquiry is not None
    inquiry.item(HALF)
    assert desk.done == []
    inquiry.item(HALF)
    assert desk.done == ["pause"]
    desk.inquiries.taken(Frame(FrameKind.TAKEN, 1, encoded([len(HALF)])))()
    assert desk.done == ["pause", "resume"]


def test_what_nobody_waits_for_is_ended_once(desk: Desk) -> None:
    desk.ask(1, call=3, for_caller=True)
    desk.ask(2)
    desk.ask(3, service="other")
    desk.inquiries.end(lambda inquiry: inquiry.within is desk.call)
    desk.inquiries.end(lambda inquiry: inquiry.service == "web")
    assert desk.done == ["cancel"] * 2
    desk.inquiries.end_one(3)
    desk.inquiries.end()
    assert desk.done == ["cancel"] * 3


def refusals(desk: Desk) -> list[tuple[int, str]]:
    return [tuple(frame.data()[:2]) for frame in desk.sent if frame.kind is FrameKind.REFUSAL]
