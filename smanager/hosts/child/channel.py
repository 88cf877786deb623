"""A host's end of the socket pair, and the streams that send there what its services print."""

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

from smanager.hosts.frames import Frame, FrameDecoder, FrameKind, encode_data
from smanager.terminal.text import CUT, as_bytes

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

READ_SIZE = 64 * 1024  # bytes of frames read at a time
LINE_LIMIT = 8 * 1024  # characters of one printed line; a longer line is cut here, and continues as the next

current_service: ContextVar[str | None] = ContextVar("current_service", default=None)
"""The service whose code runs here; None in threads that a service has started itself."""


class Channel:
    """Sends frames to the manager, from many threads, and receives the manager's."""

    def __init__(self, pair: socket.socket) -> None:
        self._socket = pair
        self._lock = threading.Lock()
        self._decoder = FrameDecoder()
        self._received = memoryview(bytearray(READ_SIZE))
        self._poll = select.poll()
        self._poll.register(pair, select.POLLIN)
        self.is_forked = False  # whether a service forked this process: its frames would mix with its parent's

    def send(self, frame: bytes) -> None:
        """Send one whole frame; does nothing if the manager is gone, which `receive` reports."""
        self.end_fork()
        try:
            with self._lock:
                self._socket.sendall(frame)
        except OSError:
            pass

    def end_fork(self) -> None:
        """End a process that has returned from the method that forked it into code that is its parent's alone."""
        if self.is_forked:
            os._exit(1)

    def wait(self, seconds: float) -> bool:
        """Whether anything arrives within so many seconds."""
        return bool(self._poll.poll(seconds * 1000))

    def receive(self) -> Iterator[Frame] | None:
        """Wait for the next frames; None when the manager is gone. Take them all before the next call."""
        try:
            size = self._socket.recv_into(self._received)
        except OSError:
            return None
        return self._decoder.receive(self._received[:size]) if size else None


class ServiceOutput(io.TextIOBase):
    """Stands in for sys.stdout and sys.stderr: each line goes to the manager's log under its service's name."""

    encoding = "utf-8"
    errors = "surrogateescape"

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._unfinished: dict[tuple[int, str | None], str] = {}  # lines without newline, by thread and service
        self.buffer = _Bytes(self)
        os.register_at_fork(after_in_child=self._redirect_in_child)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        """The process's own output, such as for a child to print to; the manager reads that as well."""
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
        """Log what this thread has printed without a newline."""
        if rest := self._unfinished.pop((threading.get_ident(), current_service.get()), ""):
            self._log(rest)

    def end_lines(self, service: str | None = None) -> None:
        """Log what all threads of a service, or of all services, have printed without a newline."""
        for speaker in list(self._unfinished):
            if service in (None, speaker[1]) and (rest := self._unfinished.pop(speaker, "")):
                self._log(rest, speaker[1])

    def _redirect_in_child(self) -> None:
        """Send a forked child's lines to the process's own output, which the manager reads as well."""
        self._channel.is_forked = True
        self._unfinished = {}

    def _log(self, line: str, service: str | None = None) -> None:
        if self._channel.is_forked:
            with suppress(OSError):
                os.write(1, as_bytes(f"{line}\n"))
            return
        service = service or current_service.get()
        for start in range(0, len(line) or 1, LINE_LIMIT):
            piece = line[start : start + LINE_LIMIT]
            piece += CUT * (len(piece) == LINE_LIMIT)
            self._channel.send(encode_data(FrameKind.LOG, 0, [service, piece]))


class _Bytes(io.RawIOBase):
    """Stands in for `sys.stdout.buffer`."""

    def __init__(self, output: ServiceOutput) -> None:
        self._output = output

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer, /) -> int:
        self._output.write(bytes(data).decode("utf-8", "surrogateescape"))
        return len(bytes(data))


def service_output() -> ServiceOutput | None:
    """The stand-in for sys.stdout, unless a service has put something else there."""
    return sys.stdout if isinstance(sys.stdout, ServiceOutput) else None


def capture_output(channel: Channel) -> ServiceOutput:
    """Send the manager each line that is printed, or logged at INFO and above, from now on."""
    sys.stdout = sys.stderr = output = ServiceOutput(channel)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    return output
