"""What the services of a host ask the manager, as the manager sees it: the inquiries under way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from smanager.hosts.call import Call
from smanager.hosts.frames import PAYLOAD_LIMIT, WINDOW, Frame, FrameKind, encode_data, encode_text

MOST_INQUIRIES = 256  # of one service at a time; a page with a stream for each of its readers needs some dozens

REFUSED, TOO_MUCH_OUTPUT = -32000, -32001  # as JSON-RPC's errors have it; see `server.rpc.errors`


class InquiryWork(Protocol):
    """What answers an inquiry."""

    def cancel(self) -> object: ...
    def pause(self) -> object: ...
    def resume(self) -> object: ...


@dataclass(eq=False)
class Inquiry:
    """What a service has asked, and how its answer reaches the service's host."""

    service: str
    within: Call | None  # the command of the service that asked
    for_caller: bool  # whether the service acts for the caller of that command
    acting_as: str  # under which of its other names the service asks; empty for its own
    visitor: int  # the number of the login of the user for whom the service asks; 0 for none
    method: str
    params: Any
    number: int
    _send: Callable[[bytes], object]
    _forget: Callable[[int], object]
    is_login: bool = False  # whether it is a login, which is open as long as the user is logged in
    work: InquiryWork | None = None
    _unread: int = 0  # characters of items that the service has not taken

    def counts_with(self, other: Inquiry) -> bool:
        """Whether both count towards one limit."""
        return self.service == other.service and self.is_login is other.is_login

    def item(self, encoded: str) -> None:
        """Send an item of a stream, as JSON; hold the stream back while the service does not take its items."""
        self._send(encode_text(FrameKind.PART, self.number, encoded))
        self._unread += len(encoded)
        if self.work and self._unread >= WINDOW:
            self.work.pause()

    def progress(self, done: float, total: float | None, text: str) -> None:
        self._send(encode_data(FrameKind.PROGRESS, self.number, [done, total, text]))

    def taken(self, characters: int) -> None:
        before, self._unread = self._unread, max(0, self._unread - characters)
        if self.work and before >= WINDOW > self._unread:
            self.work.resume()

    def answer(self, encoded: str) -> None:
        """Send the result, as JSON."""
        if len(encoded) > PAYLOAD_LIMIT:
            self.refuse(
                TOO_MUCH_OUTPUT, f"{self.method}: a result of {len(encoded)} characters; at most {PAYLOAD_LIMIT}"
            )
            return
        self._forget(self.number)
        self._send(encode_text(FrameKind.ANSWER, self.number, encoded))

    def refuse(self, code: int, message: str, data: object = None) -> None:
        self._forget(self.number)
        self._send(encode_data(FrameKind.REFUSAL, self.number, [code, message, data]))


Answerer = Callable[[Inquiry], InquiryWork | None]
"""Begins the answer to an inquiry; None if the inquiry has been answered already."""


class Inquiries:
    """The inquiries of one host."""

    def __init__(self, send: Callable[[bytes], object], answer: Callable[[], Answerer]) -> None:
        """`answer` returns what answers inquiries now."""
        self._send = send
        self._answer = answer
        self._open: dict[int, Inquiry] = {}

    def begin(self, frame: Frame, calls: dict[int, Call]) -> Callable[[], object]:
        """Decode an ASK frame; return what carries it out. Raises FrameError if it is garbage."""
        service, call, for_caller, name, visitor, method, params = frame.fields(
            str, int, bool, str, int, str, list | dict
        )

        def ask() -> None:
            within = calls.get(call)
            inquiry = Inquiry(
                service, within, for_caller, name, visitor, method, params, frame.number, self._send, self._close
            )
            if within is None and (call or for_caller):
                inquiry.refuse(REFUSED, f"{method}: the command that asked has ended")
            else:
                self._take(inquiry)

        return ask

    def log_in(self, frame: Frame) -> Callable[[], object]:
        """Decode a LOG_IN frame likewise."""
        service, params = frame.fields(str, dict)
        inquiry = Inquiry(
            service, None, False, "", 0, "log in", params, frame.number, self._send, self._close, is_login=True
        )
        return partial(self._take, inquiry)

    def _take(self, inquiry: Inquiry) -> None:
        if sum(map(inquiry.counts_with, self._open.values())) >= MOST_INQUIRIES:
            what = "users who have logged in" if inquiry.is_login else "unanswered questions"
            message = f"{inquiry.method}: {inquiry.service} has {MOST_INQUIRIES} {what}; at most so many"
            inquiry.refuse(REFUSED, message)
            return
        self._open[inquiry.number] = inquiry
        work = self._answer()(inquiry)
        if inquiry.number in self._open:
            inquiry.work = work

    def taken(self, frame: Frame) -> Callable[[], object]:
        """Decode a TAKEN frame likewise."""
        (characters,) = frame.fields(int)
        inquiry = self._open.get(frame.number)
        return partial(inquiry.taken, characters) if inquiry else lambda: None

    def end(self, are_over: Callable[[Inquiry], bool] = lambda inquiry: True) -> None:
        """End inquiries whose services, or whose commands, no longer wait."""
        for number, inquiry in list(self._open.items()):
            if are_over(inquiry):
                self.end_one(number)

    def end_one(self, number: int) -> None:
        if (inquiry := self._open.pop(number, None)) and inquiry.work:
            inquiry.work.cancel()

    def _close(self, number: int) -> None:
        self._open.pop(number, None)
