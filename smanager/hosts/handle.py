"""The manager's handle on a host: the process that it started, the frames to it, the calls under way in it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from smanager.commands.arguments import Arguments
from smanager.hosts import frames
from smanager.hosts.call import Call, Sink
from smanager.hosts.frames import Frame, FrameDecoder, FrameError, Kind
from smanager.system.errors import exit_reason
from smanager.terminal.text import CUT

T = TypeVar("T")
K = TypeVar("K")

LOG_LINE_LIMIT = 8 * 1024
"""Bytes of one line that a host's process prints past Python; a longer one is cut there."""


LOAD_SECONDS = 30.0
"""How long a services file may take to import; a large library on a small box takes ten."""

LINES_A_TURN = 64
"""Lines logged before sessions have their turn."""

READ_SIZE = 4 * 1024
"""Bytes of frames read at a time, for the same reason: some thirty printed lines."""


log = logging.getLogger("smanager")


class HostError(Exception):
    """A host that cannot do what it is needed for; the text says why."""


class Owner(Protocol):
    """Who has made a host, and is told what becomes of it and of the services in it."""

    def log(self, service: str | None, line: str) -> None:
        """A service has printed a line; None where the process itself speaks."""

    def ready(self, service: str) -> None: ...

    def spawned(self, service: str, pid: int) -> None: ...

    def hung(self, service: str, reason: str) -> None: ...

    def ended(self, service: str, reason: str | None, clean: bool) -> None: ...

    def exited(self, reason: str, clean: bool) -> None:
        """The process is gone, and all that was in its group."""


class Host(asyncio.SubprocessProtocol):
    """One child process that runs services."""

    def __init__(self, name: str, owner: Owner) -> None:
        """Prepare a host; `name` is for whoever lists the processes."""
        loop = asyncio.get_running_loop()
        self.name = name
        self.exited: asyncio.Future[str] = loop.create_future()
        """How the process ended."""
        self._loop = loop
        self._owner = owner
        self._process: asyncio.SubprocessTransport | None = None
        self._channel: asyncio.Transport | None = None
        self._decoder = FrameDecoder()
        self._files: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._pings: dict[int, asyncio.Future[dict[str, float]]] = {}
        self._calls: dict[int, Call] = {}
        self._completions: dict[int, asyncio.Future[list[str]]] = {}
        self._number = 0
        self.ending = False
        """Whether it has been asked to end."""
        self._outgoing: list[bytes] = []
        self._printed = b""
        self._logging = False

    async def spawn(self) -> None:
        """Start the process. Raises OSError where the system has no room for one."""
        self._pair, theirs = socket.socketpair()
        self._pair.setblocking(False)
        program = [sys.executable, str(Path(__file__).parent / "child"), str(theirs.fileno()), self.name]
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

    @property
    def gone(self) -> bool:
        return self.exited.done()

    async def load(self, path: Path) -> dict[str, Any]:
        """What a services file holds: `services` and `problems`, as the loader describes them.

        Raises HostError where the process ends instead, or takes more than LOAD_SECONDS.
        """
        key = str(path)
        if key not in self._files:
            self._files[key] = self._loop.create_future()
            self.send(frames.encode_data(Kind.LOAD, 0, key))
        loading = self._files[key]
        first: list[asyncio.Future[Any]] = [loading, self.exited]
        await asyncio.wait(first, timeout=LOAD_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if loading.done():
            return loading.result()
        if self.gone:
            raise HostError(f"its host died while it was imported: {self.exited.result()}")
        raise HostError(f"it did not import within {LOAD_SECONDS:g} s")

    def start(self, service: str, path: Path | None, title: str, given: Mapping[str, Any]) -> None:
        """Begin a service's life; `given` are its settings."""
        self.send(frames.encode_data(Kind.START, 0, [service, path and str(path), title, given]))

    def stop(self, service: str) -> None:
        """Have one service stop; the others in this host go on."""
        self.send(frames.encode_data(Kind.STOP, 0, service))

    def signal_program(self, service: str, number: signal.Signals) -> None:
        """Have a signal sent to a service's program, by the host, which knows whether its process still is there."""
        self.send(frames.encode_data(Kind.SIGNAL, 0, [service, number]))

    def end(self) -> None:
        """Ask it to stop its services and to end; one that still imports a file hears nothing, and is killed."""
        self.ending = True
        if all(loading.done() for loading in self._files.values()):
            self.send(frames.encode(Kind.END, 0))
        else:
            self.signal(signal.SIGKILL)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and all that its services have started in its group."""
        if self._process and not self.gone:
            with suppress(ProcessLookupError, PermissionError):  # macOS: EPERM where only zombies are left
                os.killpg(self.pid, number)

    async def ping(self, services: Sequence[str], seconds: float) -> dict[str, float]:
        """For each of the services, how long it has been silent. Raises TimeoutError where nobody answers in time."""
        number = self._next_number()
        pong = self._pings[number] = self._loop.create_future()
        self.send(frames.encode_data(Kind.PING, number, services))
        try:
            return await asyncio.wait_for(pong, seconds)
        finally:
            self._pings.pop(number, None)

    def call(
        self,
        service: str,
        method: str,
        arguments: Arguments,
        caption: str,
        sink: Sink,
        as_data: bool,
    ) -> Call:
        """Run a service's method; `caption` is the command's name in messages.

        `as_data` where the sink wants the value that it returns, and no text.
        """
        number = self._next_number()
        call = self._calls[number] = Call(self, number, caption, sink)
        self.send(frames.encode_data(Kind.CALL, number, [service, method, *arguments, as_data]))
        return call

    def cancel(self, number: int) -> None:
        """Have a method end that runs for a call."""
        if number in self._calls:
            self.send(frames.encode(Kind.CANCEL, number))

    async def complete(self, service: str, command: str, text: str, line: str, begin: int, end: int) -> list[str]:
        """The words that the service's `complete_COMMAND` method finds; cancelling ends the method too.

        Without a command, they are paths.
        """
        number = self._next_number()
        words: asyncio.Future[list[str]] = self._loop.create_future()
        self._completions[number] = words
        self.send(frames.encode_data(Kind.COMPLETE, number, [service, command, text, line, begin, end]))
        try:
            return await words
        finally:
            del self._completions[number]
            if words.cancelled():
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
        frames = self._decoder.receive(data)
        while True:
            try:
                if (frame := next(frames, None)) is None:
                    return
                deliver = self._delivery(frame)
            except (FrameError, ValueError) as error:
                self._owner.log(None, f"the host sends garbage and is ended: {error}")
                self.signal(signal.SIGKILL)
                return
            try:
                deliver()
            except Exception:  # of whoever takes it: it is no fault of the host
                log.exception("a mistake in SManager, met by what a host sent")

    def _delivery(self, frame: Frame) -> Callable[[], object]:
        """What is to be done upon a frame. Raises FrameError and ValueError where it is garbage."""
        kind, number, _ = frame
        if kind is Kind.RESULT:
            return partial(call.finish, frame.text()) if (call := self._calls.pop(number, None)) else nothing
        if kind is Kind.VALUE:
            return partial(call.whole, frame.text()) if (call := self._calls.pop(number, None)) else nothing
        if kind is Kind.TEXT:
            return partial(call.output, frame.text()) if (call := self._calls.get(number)) else nothing
        if kind is Kind.DATA:
            return partial(call.data, frame.text()) if (call := self._calls.get(number)) else nothing
        if kind is Kind.ITEM:
            return partial(call.item, frame.text()) if (call := self._calls.get(number)) else nothing
        if kind is Kind.PROGRESS:
            fields = frame.fields(int | float, int | float | None, str)
            return partial(call.progress, *fields) if (call := self._calls.get(number)) else nothing
        if kind is Kind.ERROR:
            if call := self._calls.pop(number, None):
                return partial(call.end, frame.text())
            return partial(self._answer, self._completions, number, [])
        if kind is Kind.COMPLETIONS:
            return partial(self._answer, self._completions, number, frame.texts())
        if kind is Kind.PONG:
            return partial(self._answer, self._pings, number, frame.numbers())
        if kind is Kind.LOADED:
            path, found = frame.fields(str, dict)
            return partial(self._answer, self._files, path, found)
        if kind is Kind.SPAWNED:
            service, pid = frame.fields(str, int)
            if pid <= 1:  # it will be sent signals
                raise FrameError(f"{pid!r} is no process of its own")
            return partial(self._owner.spawned, service, pid)
        if kind is Kind.LOG:
            return partial(self._owner.log, *frame.fields(str | None, str))
        if kind is Kind.READY:
            return partial(self._owner.ready, frame.fields(str, object)[0])
        if kind is Kind.HUNG:
            return partial(self._owner.hung, *frame.fields(str, str))
        if kind is Kind.ENDED:
            return partial(self._owner.ended, *frame.fields(str, str | None, bool))
        raise FrameError(f"{kind.name} is for hosts only")

    @staticmethod
    def _answer(questions: Mapping[K, asyncio.Future[T]], key: K, found: T) -> None:
        if (question := questions.get(key)) and not question.done():  # else nobody waits for it any more
            question.set_result(found)

    def channel_lost(self) -> None:
        """A host without its channel is of no use; usually it has just ended."""
        if not self.exited.done():
            self._loop.call_later(CHANNEL_GRACE, self.signal, signal.SIGKILL)

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
            self._log_in_pieces(line)
        self._logging = more = b"\n" in self._printed or len(self._printed) > LOG_LINE_LIMIT
        if more:
            self._loop.call_soon(self._log_printed)
        pipe = self._process.get_pipe_transport(1) if self._process else None
        if isinstance(pipe, asyncio.ReadTransport):
            pipe.pause_reading() if more else pipe.resume_reading()

    def _log_in_pieces(self, line: bytes) -> None:
        for start in range(0, len(line) or 1, LOG_LINE_LIMIT):
            piece = line[start : start + LOG_LINE_LIMIT]
            cut = CUT * (len(piece) == LOG_LINE_LIMIT)
            self._owner.log(None, piece.decode("utf-8", "backslashreplace") + cut)

    def process_exited(self) -> None:
        for line in self._printed.splitlines():  # what it had no time to end with a newline, for one
            self._log_in_pieces(line)
        self._printed = b""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)  # nothing that its services have started outlives it
        self._read_the_rest()
        process = cast("asyncio.SubprocessTransport", self._process)
        status = process.get_returncode() or 0
        reason = exit_reason(status)
        if self._channel:
            self._channel.abort()
        self.exited.set_result(reason)
        self._owner.exited(f"its host died: {reason}", clean=status == 0)
        calls, self._calls = self._calls, {}
        for call in calls.values():
            call.end("stopped while it ran" if self.ending else f"its host died: {reason}")
        for number in list(self._completions):
            self._answer(self._completions, number, [])

    def _read_the_rest(self) -> None:
        """Take in the frames that it sent just before its end, which may still be in the socket."""
        with suppress(OSError):
            for _ in range(MOST_LAST_READS):  # a child that left the group may write for ever
                if not (data := self._pair.recv(PIPE_SIZE)):
                    break
                self.received(data)


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


def nothing() -> None:
    """Nobody waits for it any more."""
