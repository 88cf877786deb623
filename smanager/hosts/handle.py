"""The manager's handle on a host: the process that it started, the frames to it, the calls under way in it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from smanager.hosts import frames
from smanager.hosts.frames import WINDOW, Frame, FrameDecoder, FrameError, Kind

LOG_LINE_LIMIT = 8 * 1024
"""Bytes of one line that a host's process prints past Python; a longer one is cut there."""


LINES_A_TURN = 64
"""Lines logged before sessions have their turn."""

READ_SIZE = 16 * 1024
"""Bytes of frames read at a time, for the same reason: a printed line is a frame of a hundred bytes."""


class Call:
    """A command that runs in a host: where its output goes, who is told of its end, and how to end it.

    `write` is given the output piece by piece, `ended` once the line that says what went wrong, or None.
    """

    __slots__ = ("_host", "_number", "_owed", "_paused", "caption", "ended", "write")

    def __init__(self, host: Host, number: int, caption: str, write: Callable[[str], object]) -> None:
        self._host = host
        self._number = number
        self._paused = False
        self._owed = 0
        self.caption = caption
        self.write = write
        self.ended: Callable[[str | None], None] = lambda error: None

    def cancel(self) -> None:
        """End it at once for the caller; the method itself ends when it can."""
        self._host.cancel(self._number)

    def pause(self) -> None:
        """Nobody can take more output now: the host holds the command back once a window's worth is under way."""
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self._acknowledge()

    def output(self, text: str) -> None:
        self._owed += len(text)
        self.write(text)
        self._acknowledge()

    def end(self, error: str | None) -> None:
        self.ended(f"{self.caption}: {error}" if error is not None else None)

    def _acknowledge(self) -> None:
        if not self._paused and self._owed >= WINDOW // 4:
            self._host.send(frames.encode_data(Kind.MORE, self._number, self._owed))
            self._owed = 0


class Host(asyncio.SubprocessProtocol):
    """One child process that runs the services of one file."""

    def __init__(
        self,
        path: Path,
        log: Callable[[str | None, str], None],
        started: Callable[[str, str | None], None],
    ) -> None:
        """Prepare a host for the services file at `path`.

        `log` takes a service's name, None where the process itself speaks, and a line; `started` a
        service's name and why it did not start, or None.
        """
        loop = asyncio.get_running_loop()
        self.path = path
        self.loaded: asyncio.Future[dict[str, Any]] = loop.create_future()
        """What the file holds: `services` and `problems`, as the loader describes them."""
        self.exited: asyncio.Future[str] = loop.create_future()
        """How the process ended."""
        self._loop = loop
        self._log = log
        self._started = started
        self._process: asyncio.SubprocessTransport | None = None
        self._channel: asyncio.Transport | None = None
        self._decoder = FrameDecoder()
        self._calls: dict[int, Call] = {}
        self._completions: dict[int, asyncio.Future[list[str]]] = {}
        self._number = 0
        self._stopping = False
        self._outgoing: list[bytes] = []
        self._printed = b""
        self._logging = False

    async def spawn(self) -> None:
        """Start the process. Raises OSError where the system has no room for one."""
        self._pair, theirs = socket.socketpair()
        self._pair.setblocking(False)
        program = [sys.executable, str(Path(__file__).parent), str(theirs.fileno()), str(self.path)]
        try:
            await self._loop.subprocess_exec(
                lambda: self,
                *program,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        except OSError:
            self._pair.close()
            raise
        finally:
            theirs.close()
        self._channel, _ = await self._loop.create_connection(lambda: _Channel(self), sock=self._pair)
        self._flush()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._process = cast("asyncio.SubprocessTransport", transport)

    @property
    def pid(self) -> int:
        return self._process.get_pid() if self._process else 0

    def start(self, service: str) -> None:
        self.send(frames.encode_data(Kind.START, 0, service))

    def stop(self) -> None:
        """Ask it to stop its services and to end; one that still imports its file hears nothing, and is killed."""
        self._stopping = True
        if self.loaded.done():
            self.send(frames.encode(Kind.STOP, 0))
        else:
            self.kill()

    @property
    def gone(self) -> bool:
        return self.exited.done()

    def kill(self) -> None:
        """End the process and all that its services have started, at once."""
        if self._process and not self.exited.done():
            self._signal_group(signal.SIGKILL)

    def call(
        self,
        service: str,
        method: str,
        arguments: Sequence[str],
        caption: str,
        write: Callable[[str], object],
    ) -> Call:
        """Run a service's method; `caption` is the command's name in messages."""
        number = self._next_number()
        call = self._calls[number] = Call(self, number, caption, write)
        self.send(frames.encode_data(Kind.CALL, number, [service, method, arguments]))
        return call

    def cancel(self, number: int) -> None:
        if call := self._calls.pop(number, None):
            self.send(frames.encode(Kind.CANCEL, number))
            call.end("cancelled")

    async def complete(self, service: str, command: str, text: str, line: str, begin: int, end: int) -> list[str]:
        """The words that the service's `complete_COMMAND` method finds; cancelling ends the method too."""
        number = self._next_number()
        words: asyncio.Future[list[str]] = self._loop.create_future()
        self._completions[number] = words
        self.send(frames.encode_data(Kind.COMPLETE, number, [service, command, text, line, begin, end]))
        try:
            return await words
        finally:
            if self._completions.pop(number, None):
                self.send(frames.encode(Kind.CANCEL, number))

    def send(self, frame: bytes) -> None:
        """Send a frame with all others of this turn of the loop: one system call serves many sessions."""
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(frame)

    def _flush(self) -> None:
        if self._channel is not None and self._outgoing:
            outgoing, self._outgoing = self._outgoing, []
            if not self._channel.is_closing():
                self._channel.write(b"".join(outgoing))

    def _next_number(self) -> int:
        self._number = self._number % 0xFFFFFFFF + 1
        return self._number

    # What comes back.

    def received(self, data: bytes) -> None:
        try:
            for frame in self._decoder.receive(data):
                self._accept(frame)
        except (FrameError, ValueError, TypeError, KeyError, AttributeError) as error:
            self._log(None, f"the host sends garbage and is ended: {error}")
            self.kill()

    def _accept(self, frame: Frame) -> None:
        kind, number, _ = frame
        if kind is Kind.RESULT:
            if call := self._calls.pop(number, None):
                if frame.payload:
                    call.write(frame.text())
                call.end(None)
        elif kind is Kind.TEXT:
            if call := self._calls.get(number):
                call.output(frame.text())
        elif kind is Kind.ERROR:
            if call := self._calls.pop(number, None):
                call.end(frame.text())
            elif completion := self._completions.pop(number, None):
                answer(completion, [])
        elif kind is Kind.COMPLETIONS:
            if completion := self._completions.pop(number, None):
                answer(completion, [str(word) for word in frame.data()])
        elif kind is Kind.LOG:
            service, line = frame.data()
            self._log(service, line)
        elif kind is Kind.STARTED:
            self._started(*frame.data())
        elif kind is Kind.LOADED and not self.loaded.done():
            self.loaded.set_result(frame.data())

    def channel_lost(self) -> None:
        """A host without its channel is of no use; usually it has just ended."""
        if not self.exited.done():
            self._loop.call_later(CHANNEL_GRACE, self.kill)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """What the process prints past Python's own streams: its children's output, a fatal error's stacks."""
        self._printed += data
        if not self._logging:
            self._log_printed()

    def _log_printed(self) -> None:
        """Log some lines a turn; a flood is read no faster than that, and so waits in its own pipe."""
        *lines, self._printed = self._printed.split(b"\n", LINES_A_TURN)
        if not lines and len(self._printed) > LOG_LINE_LIMIT:
            lines, self._printed = [self._printed[:LOG_LINE_LIMIT]], self._printed[LOG_LINE_LIMIT:]
        for line in lines:
            self._log(None, line[:LOG_LINE_LIMIT].decode("utf-8", "backslashreplace"))
        self._logging = more = b"\n" in self._printed or len(self._printed) > LOG_LINE_LIMIT
        if more:
            self._loop.call_soon(self._log_printed)
        pipe = self._process.get_pipe_transport(1) if self._process else None
        if isinstance(pipe, asyncio.ReadTransport):
            pipe.pause_reading() if more else pipe.resume_reading()

    def process_exited(self) -> None:
        self._signal_group(signal.SIGKILL)  # nothing that its services have started outlives it
        self._read_the_rest()
        process = cast("asyncio.SubprocessTransport", self._process)
        reason = exit_reason(process.get_returncode() or 0)
        if self._channel:
            self._channel.abort()
        if not self.exited.done():
            self.exited.set_result(reason)
        calls, self._calls = self._calls, {}
        for call in calls.values():
            call.end("stopped while it ran" if self._stopping else f"its host died: {reason}")
        for completion in self._completions.values():
            answer(completion, [])

    def _read_the_rest(self) -> None:
        """Take in the frames that it sent just before its end, which may still be in the socket."""
        with suppress(OSError):
            for _ in range(MOST_LAST_READS):  # a child that left the group may write for ever
                if not (data := self._pair.recv(PIPE_SIZE)):
                    break
                self.received(data)

    def _signal_group(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):  # macOS: EPERM where only zombies are left
            os.killpg(self.pid, number)


CHANNEL_GRACE = 1.0
"""Seconds between the loss of a host's channel and the kill of a process that lives on without it."""

PIPE_SIZE = 256 * 1024

MOST_LAST_READS = 16
"""Reads of what a host sent before its end: more than a socket pair holds."""


class _Channel(asyncio.BufferedProtocol):
    """The socket pair's callbacks, handed on."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._buffer = memoryview(bytearray(READ_SIZE))

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._host.received(bytes(self._buffer[:nbytes]))

    def connection_lost(self, error: Exception | None) -> None:
        self._host.channel_lost()


def answer(completion: asyncio.Future[list[str]], words: list[str]) -> None:
    if not completion.done():  # else nobody waits for it any more
        completion.set_result(words)


def exit_reason(status: int) -> str:
    """An exit status in words: `exit status 3`, `killed by SIGKILL`."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"
