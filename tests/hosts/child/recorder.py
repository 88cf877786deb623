"""Channels that keep what is sent, in place of a socket pair."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from smanager.hosts.child.channel import Channel
from smanager.hosts.frames import Frame, FrameDecoder, FrameKind
from tests.conftest import SECONDS, wait_for


class Recorder(Channel):
    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.is_forked = False

    def send(self, frame: bytes) -> None:
        self.frames += FrameDecoder().receive(frame)

    def sent(self, number: int = 1) -> list[tuple[FrameKind, str]]:
        """What was sent for a call."""
        return [(frame.kind, frame.text()) for frame in self.frames if frame.number == number]

    def wait_for_end(self, number: int = 1) -> tuple[FrameKind, str]:
        """The last frame of a call, once it has come."""
        ends = (FrameKind.RESULT, FrameKind.VALUE, FrameKind.ERROR, FrameKind.COMPLETIONS)
        wait_for(lambda: any(kind in ends for kind, _ in self.sent(number)), f"the end of call {number}")
        return self.sent(number)[-1]


class Desk(Recorder):
    """A recorder that also receives: what a test delivers is done by the thread that reads."""

    def __init__(self) -> None:
        super().__init__()
        self._delivered: deque[Callable[[], object] | None] = deque()
        self._changed = threading.Condition()
        self.readers = 0  # at this moment

    def deliver(self, *deeds: Callable[[], object] | None) -> None:
        """Have the reader do this, all of it in one go; None ends its work."""
        with self._changed:
            self._delivered += deeds
            self._changed.notify_all()

    def close(self) -> None:
        self.deliver(None)

    def wait(self, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._delivered), seconds)

    def carry_out(self) -> bool:
        """What a crew is given to receive."""
        self.readers += 1
        assert self.readers == 1, "two threads read"
        while not self.wait(SECONDS):
            pass
        with self._changed:
            deeds, self._delivered = self._delivered, deque()
        for deed in deeds:
            if deed is None:
                return False
            deed()
        self.readers -= 1
        return True
