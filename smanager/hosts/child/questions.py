"""What services ask the manager: the questions on their way, and how threads and tasks wait for the answers."""

from __future__ import annotations

import itertools
import json
import queue
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from smanager.hosts.child.channel import Channel
from smanager.hosts.frames import PAYLOAD_LIMIT, Frame, FrameKind, encode, encode_data
from smanager.service import CommandCaller, ManagerClient, ManagerError, Visitor

if TYPE_CHECKING:
    import asyncio

Deliver = Callable[[Frame | None], object]
"""Takes the frames of an answer, or ENDED."""

current_caller: ContextVar[CommandCaller | None] = ContextVar("current_caller", default=None)
"""Who gave the command that runs here; None outside of commands."""

ENDED = None  # what is delivered in place of a frame when the service, or the command that asked, is to end


class Question(NamedTuple):
    """A question that waits for its answer."""

    service: str
    call: int  # the call in which the service asks; 0 outside of commands
    for_caller: bool  # whether the service acts for the caller of that call
    acting_as: str  # under which of its other names the service asks; empty for its own
    visitor: int  # the question by which the user has logged in for whom the service asks; 0 for none
    deliver: Deliver


class Questions:
    """The questions of all services of a host."""

    def __init__(self, channel: Channel, relieve: Callable[[], object]) -> None:
        """`relieve` is called in a thread that begins to wait for an answer."""
        self._channel = channel
        self._relieve = relieve
        self._numbers = itertools.count(1)
        self._open: dict[int, Question] = {}

    def begin(self, question: Question, method: str, params: object) -> int:
        """Ask; return the question's number. Raises ManagerError for parameters that cannot be sent."""
        *asker, _ = question
        return self._send(question, FrameKind.ASK, [*asker, method, params], method)

    def log_in(self, question: Question, params: Mapping[str, object]) -> int:
        """Ask for a login likewise."""
        return self._send(question, FrameKind.LOG_IN, [question.service, params], "log in")

    def _send(self, question: Question, kind: FrameKind, fields: list[object], method: str) -> int:
        number = next(self._numbers)
        try:
            frame = encode_data(kind, number, fields)
        except (TypeError, ValueError, RecursionError) as error:
            raise ManagerError(f"{method}: parameters should be JSON: {error}") from None
        if len(frame) > PAYLOAD_LIMIT:
            raise ManagerError(f"{method}: parameters of {len(frame)} bytes; at most {PAYLOAD_LIMIT}")
        self._open[number] = question
        self._channel.send(frame)
        return number

    def next(self, frames: queue.SimpleQueue[Frame | None]) -> Frame | None:
        """Wait for a question's next frame."""
        self._relieve()
        return frames.get()

    def deliver(self, frame: Frame) -> None:
        """Take a frame from the manager."""
        if question := self._open.get(frame.number):
            question.deliver(frame)

    def taken(self, number: int, characters: int) -> None:
        """An item of so many characters was taken: the manager may send more."""
        self._channel.send(encode_data(FrameKind.TAKEN, number, [characters]))

    def close(self, number: int, is_answered: bool) -> None:
        """Nobody waits for the answer any more."""
        if self._open.pop(number, None) and not is_answered:
            self._channel.send(encode(FrameKind.UNASK, number))

    def end(self, are_over: Callable[[Question], bool]) -> None:
        """End the wait for the answers to some questions."""
        for question in list(self._open.values()):
            if are_over(question):
                question.deliver(ENDED)


class ClientInHost(ManagerClient):
    """The manager as a service's object sees it from its host."""

    def __init__(
        self,
        questions: Questions,
        service: str,
        acting_for: CommandCaller | None = None,
        acting_as: str = "",
        visitor: int = 0,
    ) -> None:
        self._questions = questions
        self._service = service
        self._acting_for = acting_for
        self._acting_as = acting_as
        self._visitor = visitor

    @property
    def caller(self) -> CommandCaller | None:
        return current_caller.get()

    def as_caller(self, caller: CommandCaller) -> ClientInHost:
        return ClientInHost(self._questions, self._service, caller)

    def acting_as(self, name: str) -> ClientInHost:
        return ClientInHost(self._questions, self._service, acting_as=name)

    def call(self, method: str, /, *arguments: object, **options: object) -> Any:
        frames = queue.SimpleQueue[Frame | None]()
        with self._ask(frames.put, method, _params(arguments, options)) as answer:
            while not answer.is_complete:
                answer.take(self._questions.next(frames))
            return answer.result()

    def stream(self, method: str, /, *arguments: object, **options: object) -> Iterator[Any]:
        frames = queue.SimpleQueue[Frame | None]()
        with self._ask(frames.put, method, _params(arguments, options)) as answer:
            while not answer.is_complete:
                kind, value = answer.take(self._questions.next(frames))
                if kind == "item":
                    yield value

    async def call_async(self, method: str, /, *arguments: object, **options: object) -> Any:
        frames, put = _queue_in_loop()
        with self._ask(put, method, _params(arguments, options)) as answer:
            while not answer.is_complete:
                answer.take(await frames.get())
            return answer.result()

    async def stream_async(self, method: str, /, *arguments: object, **options: object) -> AsyncIterator[Any]:
        async with aclosing(self.follow_async(method, _params(arguments, options))) as answer:
            async for kind, value in answer:
                if kind == "item":
                    yield value

    async def follow_async(
        self, method: str, params: Mapping[str, object] | Sequence[object] = ()
    ) -> AsyncGenerator[tuple[str, Any], None]:
        frames, put = _queue_in_loop()
        with self._ask(put, method, params) as answer:
            while not answer.is_complete:
                kind, value = answer.take(await frames.get())
                if kind:
                    yield kind, value

    async def log_in_async(self, host: str, **proof: object) -> VisitorInHost:
        frames, put = _queue_in_loop()
        visitor = VisitorInHost(self._questions, self._service)

        def deliver(frame: Frame | None) -> None:
            put(frame)
            if frame is ENDED or frame.kind is FrameKind.REFUSAL:
                visitor.end(json.loads(frame.payload)[1] if frame else "the service has ended")

        question = Question(self._service, 0, False, "", 0, deliver)
        number = visitor._visitor = self._questions.log_in(question, {"host": host, **proof})
        answer = Answer("log in", partial(self._questions.taken, number))
        try:
            kind, identity = answer.take(await frames.get())
        except BaseException:
            visitor.log_out()
            raise
        if kind != "item":
            raise ManagerError("log in: not answered before the service was ended")
        visitor.user, visitor.roles = identity["user"], identity["roles"]
        return visitor

    @contextmanager
    def _ask(self, deliver: Deliver, method: str, params: Mapping[str, object] | Sequence[object]) -> Iterator[Answer]:
        within = self._acting_for or current_caller.get()
        call = within.call if within else 0
        question = Question(self._service, call, self._acting_for is not None, self._acting_as, self._visitor, deliver)
        number = self._questions.begin(question, method, params)
        answer = Answer(method, partial(self._questions.taken, number))
        try:
            yield answer
        finally:
            self._questions.close(number, answer.is_complete)


class VisitorInHost(ClientInHost, Visitor):
    """A user who has logged in through a service."""

    def end(self, reason: str) -> None:
        """The user is logged out by the manager."""
        self.ended = reason
        self._questions.close(self._visitor, is_answered=True)

    def log_out(self) -> None:
        self._questions.close(self._visitor, is_answered=False)
        self.ended = self.ended or "logged out"


class Answer:
    """What has come so far of an answer."""

    def __init__(self, method: str, taken: Callable[[int], object]) -> None:
        """`taken` is told how many characters of items the service has taken."""
        self.is_complete = False
        self._method = method
        self._taken = taken
        self._result: Any = None
        self._has_result = False

    def take(self, frame: Frame | None) -> tuple[str, Any]:
        """What a frame is, as `follow_async` has it, or without a kind if nothing more comes.

        Raises ManagerError if the answer is an error.
        """
        if frame is ENDED:
            self.is_complete = True
            return "", None
        value = json.loads(frame.payload)
        if frame.kind is FrameKind.PART:
            self._taken(len(frame.payload))
            return "item", value
        if frame.kind is FrameKind.PROGRESS:
            return "progress", dict(zip(("done", "total", "text"), value, strict=True))
        self.is_complete = True
        if frame.kind is FrameKind.REFUSAL:
            code, message, data = value
            raise ManagerError(message, code, data)
        self._result, self._has_result = value, True
        return "result", value

    def result(self) -> Any:
        """The result. Raises ManagerError if the service or its command was told to end meanwhile."""
        if not self._has_result:
            raise ManagerError(f"{self._method}: not answered before the service, or the command that asked, was ended")
        return self._result


def _params(arguments: tuple[object, ...], options: dict[str, object]) -> Mapping[str, object] | Sequence[object]:
    if arguments and options:
        raise TypeError("pass parameters all by position or all by name")
    return options or arguments


def _queue_in_loop() -> tuple[asyncio.Queue[Frame | None], Deliver]:
    """A queue in the running event loop, and how another thread puts something into it."""
    import asyncio  # here, because plain methods do not need it

    loop, frames = asyncio.get_running_loop(), asyncio.Queue[Frame | None]()

    def put(frame: Frame | None) -> None:
        with suppress(RuntimeError):  # the loop is closed, and nobody waits there
            loop.call_soon_threadsafe(frames.put_nowait, frame)

    return frames, put
