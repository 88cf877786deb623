"""A channel that keeps what is sent, in place of a socket pair."""

from __future__ import annotations

from smanager.hosts.child.channel import Channel
from smanager.hosts.frames import Frame, FrameDecoder, FrameKind
from tests.conftest import wait_for


class Recorder(Channel):
    def __init__(self) -> None:
        self.frames: list[Frame] = []

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
