"""A command that runs in a host, as the manager sees it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from smanager.commands.record import Failure
from smanager.hosts.frames import WINDOW, Frame, FrameError, FrameKind, encode, encode_data
from smanager.hosts.job import INTERNAL_ERROR, Invocation, Job, ignore
from smanager.logs.held import HeldValue, Piece

GRACE_SECONDS = 0.1  # how long a cancelled method may take to end before its caller gets the prompt back anyway
VALUE_LIMIT = 4 * 1024 * 1024  # characters of JSON (all ASCII) kept of one result; more has to be yielded in parts
END_KINDS = frozenset({FrameKind.RESULT, FrameKind.VALUE, FrameKind.ERROR})  # the last frame of a call is one of these
CALL_KINDS = END_KINDS | {FrameKind.TEXT, FrameKind.DATA, FrameKind.ITEM, FrameKind.PROGRESS}  # what a call takes

log = logging.getLogger("smanager")


class Call(Job):
    """A command that runs in a host: passes on what it returns, reports its end, and can cancel it."""

    def __init__(self, number: int, invocation: Invocation, send: Callable[[bytes], object]) -> None:
        super().__init__(invocation)
        self.is_quiet = False  # whether the caller ignores the command's progress
        self._number = number
        self._send = send
        self._cancelled = ""  # why the command was cancelled; empty if it was not
        self._paused = False
        self._unread = 0  # characters taken that the host has not been told of
        self._data = bytearray()  # of a result that is not text

    def cancel(self, reason: str = "cancelled") -> None:
        """End the command; its caller waits no longer than GRACE_SECONDS, even for a method that cannot be ended."""
        self._send(encode(FrameKind.CANCEL, self._number))  # again if an earlier attempt had no effect
        if not self._cancelled:
            self._cancelled = reason
            self._data.clear()
            asyncio.get_running_loop().call_later(GRACE_SECONDS, self._give_up)

    def pause(self) -> None:
        """Stop asking for more: the host holds the command back once it has sent a window's worth."""
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self._ask_for_more()

    def receive(self, frame: Frame) -> None:
        """Take a frame of CALL_KINDS; one that cannot be decoded or passed on ends the command with an error."""
        try:
            self.decoded(frame)()
        except FrameError as error:
            self._break_off(frame, f"its result cannot be read: {error}")
        except RecursionError:
            self._break_off(frame, "its result is nested too deeply")
        except Exception:  # the fault of the code that takes the frame's contents, not the host's
            log.exception("internal error while handling a %s frame from a host", frame.kind.name)
            self._break_off(frame, INTERNAL_ERROR)

    def _break_off(self, frame: Frame, reason: str) -> None:
        if frame.kind in END_KINDS:
            self.end(Failure(reason))
        else:
            self.cancel(reason)

    def decoded(self, frame: Frame) -> Callable[[], object]:
        """Decode a frame of CALL_KINDS and return what carries it out. Raises FrameError if it is garbage."""
        kind = frame.kind
        if kind is FrameKind.RESULT:
            values = [Frame(FrameKind.DATA, frame.number, bytes(self._data)).data()] if self._data else []
            return partial(self._finish, frame.text(), *values)
        if kind is FrameKind.VALUE:
            return partial(self._finish, "", frame.data())
        if kind is FrameKind.TEXT:
            text = frame.text()
            return partial(self._show, self.sink.write, text, text, len(text))
        if kind is FrameKind.ITEM:
            item = frame.data()
            return partial(self._show, self.sink.item, item, HeldValue(item), len(frame.payload))
        if kind is FrameKind.DATA:
            return partial(self._take, self._collect, frame.payload, len(frame.payload))
        if kind is FrameKind.PROGRESS:
            return partial(self._progress, *frame.fields(int | float, int | float | None, str))
        if kind is FrameKind.ERROR:
            exception, message = frame.fields(str, str)
            return partial(self.end, Failure(message, exception))
        raise FrameError(f"{kind.name} is not a frame of a call")

    def end(self, failure: Failure | None) -> None:
        """Report that the method, or its host, has ended."""
        if self._cancelled:
            failure = Failure(self._cancelled)
        gone, self.gone = self.gone, ignore
        try:
            gone(failure)
        finally:
            self.tell_caller(failure)

    def _show(self, show: Callable[[Any], object], part: object, held: Piece, size: int) -> None:
        if not self._cancelled:
            self.hold(held, size)
            self._take(show, part, size)

    def _take(self, take: Callable[[Any], object], part: object, size: int) -> None:
        if not self._cancelled:
            take(part)
            self._unread += size
            self._ask_for_more()

    def _collect(self, piece: bytes) -> None:
        self._data += piece
        if len(self._data) > VALUE_LIMIT:
            self.cancel(f"its result is larger than {VALUE_LIMIT} characters; it should yield parts")

    def _progress(self, done: float, total: float | None, text: str) -> None:
        if not self._cancelled and not self.is_quiet:
            self.sink.progress(done, total, text)

    def _finish(self, text: str, *values: object) -> None:
        if not self._cancelled:
            self.returned = values or text
            for value in values:
                self.sink.value(value)
            if text:
                self.sink.write(text)
        self.end(None)

    def _give_up(self) -> None:
        self.tell_caller(Failure(f"{self._cancelled}, but it still runs; `jobs` lists it until it ends"))

    def _ask_for_more(self) -> None:
        if not self._paused and self._unread >= WINDOW // 4:
            self._send(encode_data(FrameKind.MORE, self._number, self._unread))
            self._unread = 0
