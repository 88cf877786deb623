"""A host's end of the socket pair, and the ways by which what its services print gets there."""

from __future__ import annotations

import io
import logging
import os
import select
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING

from smanager.hosts import frames
from smanager.hosts.frames import Frame, FrameDecoder, Kind
from smanager.terminal.text import CUT, as_bytes

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

READ_SIZE = 256 * 1024

LINE_LIMIT = 8 * 1024
"""Characters of one printed line; a longer one is cut there, and goes on as the next."""

current_service: ContextVar[str | None] = ContextVar("current_service", default=None)
"""The service whose code runs here; threads that a service starts itself have none."""


class Channel:
    """Frames to and from the manager, for many threads at once."""

    def __init__(self, pair: socket.socket) -> None:
        self._socket = pair
        self._lock = threading.Lock()
        self._decoder = FrameDecoder()
        self._poll = select.poll()
        self._poll.register(pair, select.POLLIN)
        self._forked = False

    def forked(self) -> None:
        """In a child that a service forked: frames of its own would land in the middle of its parent's."""
        self._forked = True

    def send(self, frame: bytes) -> None:
        """Send one whole frame; nothing happens where the manager is gone, which `receive` will tell."""
        if self._forked:
            os._exit(1)  # it has come out of the method that forked it, and this is none of its business
        with suppress(OSError), self._lock:
            self._socket.sendall(frame)

    def wait(self, seconds: float) -> bool:
        """Whether something arrives within the time."""
        return bool(self._poll.poll(seconds * 1000))

    def receive(self) -> Iterator[Frame] | None:
        """The next frames, once there are any; None at the end of the manager."""
        data = b""
        with suppress(OSError):
            data = self._socket.recv(READ_SIZE)
        return self._decoder.receive(data) if data else None


class ServiceOutput(io.TextIOBase):
    """Stands in for sys.stdout and sys.stderr: each line goes to the manager's log under its service's name."""

    encoding = "utf-8"
    errors = "surrogateescape"

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._unfinished: dict[tuple[int, str | None], str] = {}  # lines without newline, by thread and service
        self._forked = False
        self.buffer = _Bytes(self)
        os.register_at_fork(after_in_child=self._become_childs)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        """What a child may print to, for one; the manager reads that as well."""
        return 1

    def write(self, text: str) -> int:
        speaker = (threading.get_ident(), current_service.get())
        *lines, rest = (self._unfinished.pop(speaker, "") + text).split("\n")
        if len(rest) > LINE_LIMIT:
            end = len(rest) - len(rest) % LINE_LIMIT
            lines.append(rest[:end])
            rest = rest[end:]
        if rest:
            self._unfinished[speaker] = rest
        for line in lines:
            self._log(line)
        return len(text)

    def end_line(self) -> None:
        """Whoever speaks here is done: what lacks its newline is a line as well."""
        if rest := self._unfinished.pop((threading.get_ident(), current_service.get()), ""):
            self._log(rest)

    def end_lines(self, service: str) -> None:
        """A service's life is over: what any of its threads has left without a newline is a line as well."""
        for speaker in [speaker for speaker in list(self._unfinished) if speaker[1] == service]:
            if rest := self._unfinished.pop(speaker, ""):
                self._log(rest, service)

    def finish(self) -> None:
        """Nothing more will be printed by anybody."""
        for line in list(self._unfinished.values()):
            self._log(line)

    def _become_childs(self) -> None:
        """A forked child's lines go to the process's own output, which the manager reads as well."""
        self._channel.forked()
        self._forked = True
        self._unfinished = {}

    def _log(self, line: str, service: str | None = None) -> None:
        if self._forked:
            with suppress(OSError):
                os.write(1, as_bytes(f"{line}\n"))
            return
        service = service or current_service.get()
        for start in range(0, len(line) or 1, LINE_LIMIT):
            piece = line[start : start + LINE_LIMIT]
            piece += CUT * (len(piece) == LINE_LIMIT)
            self._channel.send(frames.encode_data(Kind.LOG, 0, [service, piece]))


class _Bytes(io.RawIOBase):
    """What `sys.stdout.buffer` is."""

    def __init__(self, output: ServiceOutput) -> None:
        self._output = output

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer, /) -> int:
        self._output.write(bytes(data).decode("utf-8", "surrogateescape"))
        return len(bytes(data))


def end_line() -> None:
    """Whoever runs in this thread is done with its command, or its life."""
    if isinstance(sys.stdout, ServiceOutput):
        sys.stdout.end_line()


def end_lines(service: str) -> None:
    """The life of this service is over."""
    if isinstance(sys.stdout, ServiceOutput):
        sys.stdout.end_lines(service)


def capture_output(channel: Channel) -> ServiceOutput:
    """From here on, what is printed, and logged at INFO and above, goes to the manager by line."""
    output = ServiceOutput(channel)
    sys.stdout = sys.stderr = output
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    return output
