"""The manager's handle on a host: its process, the frames to and from it, and the calls that run in it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from smanager.commands.record import CommandError, Failure, Status
from smanager.hosts.call import CALL_KINDS, END_KINDS, Call
from smanager.hosts.frames import PAYLOAD_LIMIT, Frame, FrameDecoder, FrameError, FrameKind, encode, encode_data
from smanager.hosts.inquiries import Answerer, Inquiries
from smanager.hosts.job import Invocation
from smanager.hosts.raw_output import RawOutput
from smanager.hosts.resident import Resident
from smanager.hosts.template import Template
from smanager.system import lineage, open_files
from smanager.system.children import when_ended
from smanager.system.outbox import Stage
from smanager.system.patience import Patience, any_done
from smanager.system.processes import exit_reason, signal_group
from smanager.system.sockets import Sockets
from smanager.system.transport import Transport

T = TypeVar("T")

LOAD_SECONDS = 30.0  # how long a services file may take to import; a large library on a small box takes ten
METRICS_SECONDS = 1.0  # how long a host may take to say what its services have measured; a scrape waits for that
CHANNEL_GRACE = 1.0  # seconds between the loss of a host's channel and the kill of its process
READ_SIZE = 4 * 1024  # bytes of frames read at a time: some thirty printed lines, after which sessions have their turn
LAST_READ_SIZE = 256 * 1024  # bytes read at a time of what a host sent before its end
MOST_LAST_READS = 16  # reads of what a host sent before its end: more than a socket pair holds

log = logging.getLogger("smanager")


class HostError(Exception):
    """A host cannot do its work; the text says why."""


class Host:
    """One child process that runs services."""

    def __init__(
        self,
        name: str,
        mark: int,
        sockets: Sockets,
        residents: Mapping[str, Resident],
        log_line: Callable[[str | None, str], object],
        answer: Callable[[], Answerer],
        when_gone: Callable[[str, bool], object],
    ) -> None:
        """`name` identifies the process in process lists, `mark` its descendants (see `system.lineage`). `residents`
        are the services in it, by name, at any time.

        `log_line` is given each printed line, with the service's name, or None if the process itself printed it.
        `answer` returns what answers the inquiries of services.
        `when_gone` is told why the process is gone, with its whole group, and whether that is a success.
        """
        self._loop = asyncio.get_running_loop()
        self.gone = False  # whether the process has ended
        self.exited: asyncio.Future[str] = self._loop.create_future()
        """How the process ended; done once nothing is left either of what its services have started."""
        self.ending = False  # whether the process has been asked to end
        self.state_dir: Path | None = None
        """Where services may keep what is theirs."""
        self._name = name
        self._mark = mark
        self._sockets = sockets
        self._residents = residents
        self._log_line = log_line
        self._output = RawOutput(partial(log_line, None))
        self._when_gone = when_gone
        self.pid = 0  # until the process has been made
        self._channel: Transport | None = None
        self._decoder = FrameDecoder()
        self._files: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._looks: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.has_metrics = False
        """Whether its services have told anything by `metric`."""
        self._calls: dict[int, Call] = {}
        self._inquiries = Inquiries(self.send, answer)
        self._completions: dict[int, asyncio.Future[list[str]]] = {}
        self._number = 0
        self._outgoing: list[bytes] = []

    async def spawn(self, template: Template) -> None:
        """Have the process made. Raises OSError if the system cannot."""
        self._pair, theirs = socket.socketpair()
        self._pair.setblocking(False)
        reader, writer = os.pipe()
        output = os.fdopen(reader, "rb", buffering=0)
        request = {"name": self._name, "mark": self._mark, "limit": open_files.GIVEN}
        try:
            self.pid = await template.spawn(request, theirs.fileno(), writer)
            await self._loop.connect_read_pipe(lambda: self._output, output)
        except BaseException:
            self._pair.close()
            output.close()
            raise
        finally:
            theirs.close()
            os.close(writer)
        when_ended(self.pid, self._ended)
        self._channel = Transport(self._pair, _Channel(self), self._sockets, READ_SIZE)
        self._channel.read(True)
        self._flush()

    async def load(self, path: Path) -> dict[str, Any]:
        """What the loader finds in a services file. Raises HostError if the process ends or takes too long instead."""
        key = str(path)
        if key not in self._files:
            self._files[key] = self._loop.create_future()
            self.send(encode_data(FrameKind.LOAD, 0, key))
        loading = self._files[key]
        await any_done(Patience(LOAD_SECONDS), loading, self.exited)
        if loading.done():
            return loading.result()
        if self.gone:
            raise HostError(f"its host died while it was imported: {self.exited.result()}")
        raise HostError(f"it did not import within {LOAD_SECONDS:g} s")

    def start(self, service: str, path: Path | None, title: str, given: Mapping[str, Any]) -> None:
        """Begin a service's life; `title` is the class's name, `given` are the settings."""
        kept = self.state_dir and str(self.state_dir / f"service-{service}")
        self.send(encode_data(FrameKind.START, 0, [service, path and str(path), title, given, kept]))

    def stop(self, service: str) -> None:
        self.send(encode_data(FrameKind.STOP, 0, service))

    def signal_program(self, service: str, number: int) -> None:
        """Send a signal to a service's program, through the host, which knows whether the program still runs."""
        self.send(encode_data(FrameKind.SIGNAL, 0, [service, number]))

    def end(self) -> None:
        """Ask the process to stop its services and to exit; one that is still importing cannot hear, and is killed."""
        self.ending = True
        if all(loading.done() for loading in self._files.values()):
            self.send(encode(FrameKind.END, 0))
        else:
            self.signal(signal.SIGKILL)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and to everything in its group."""
        if self.pid and not self.gone:
            signal_group(self.pid, number)

    async def ping(self, services: Sequence[str], patience: Patience) -> dict[str, float]:
        """How long each of the services has been silent, in seconds. Raises TimeoutError if no answer comes in time."""
        return await self._look(FrameKind.PING, services, patience)

    async def metrics(self) -> dict[str, Any]:
        """What each of the services has told by `metric`; nothing if no answer comes in time."""
        with suppress(TimeoutError):
            return await self._look(FrameKind.MEASURE, [], Patience(METRICS_SECONDS))
        return {}

    async def _look(self, kind: FrameKind, question: object, patience: Patience) -> dict[str, Any]:
        number = self._next_number()
        looking: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        self._looks[number] = looking
        self.send(encode_data(kind, number, question))
        try:
            if await any_done(patience, looking):
                return looking.result()
            raise TimeoutError
        finally:
            self._looks.pop(number, None)

    def call(self, invocation: Invocation) -> Call:
        """Run a method. Raises CommandError for arguments that are too large to send."""
        number = self._next_number()
        frame = encode(FrameKind.CALL, number, invocation.payload)
        if len(frame) > PAYLOAD_LIMIT:  # a megabyte of bytes that are not UTF-8 takes six
            message = f"{invocation.bound.caption}: arguments of {len(frame)} characters; at most {PAYLOAD_LIMIT}"
            raise CommandError(message, Status.UNUSABLE)
        call = self._calls[number] = Call(number, invocation, self.send)
        self.send(frame)
        return call

    async def complete(
        self, caller: str, service: str, command: str, text: str, line: str, begin: int, end: int
    ) -> list[str]:
        """What a service's `complete_COMMAND` finds, paths if `command` is empty; cancelling ends the method too."""
        number = self._next_number()
        words: asyncio.Future[list[str]] = self._loop.create_future()
        self._completions[number] = words
        self.send(encode_data(FrameKind.COMPLETE, number, [caller, service, command, text, line, begin, end]))
        try:
            return await words
        finally:
            del self._completions[number]
            if words.cancelled():
                self.send(encode(FrameKind.CANCEL, number))

    def _next_number(self) -> int:
        self._number = self._number % 0xFFFFFFFF + 1
        return self._number

    def send(self, frame: bytes) -> None:
        """Send a frame with all others of this turn of the loop: one system call serves many sessions."""
        if not self._outgoing:
            self._sockets.outbox.at_end(Stage.FRAMES, self._flush)
        self._outgoing.append(frame)

    def _flush(self) -> None:
        if self._channel is not None and self._outgoing:
            outgoing, self._outgoing = self._outgoing, []
            self._channel.send(b"".join(outgoing))

    def received(self, data: bytes) -> None:
        arrived = self._decoder.receive(data)
        while True:
            try:
                if (frame := next(arrived, None)) is None:
                    return
                carry_out = self._decoded(frame)
            except (FrameError, ValueError) as error:
                self._log_line(None, f"the host sent garbage and is killed: {error}")
                self.signal(signal.SIGKILL)
                return
            try:
                carry_out()
            except Exception:  # the fault of the code that takes the frame's contents, not the host's
                log.exception("internal error while handling a %s frame from a host", frame.kind.name)

    def _decoded(self, frame: Frame) -> Callable[[], object]:
        """Decode a frame and return what carries it out. Raises FrameError or ValueError if it is garbage."""
        kind, number, _ = frame
        if kind in CALL_KINDS:
            if (call := self._calls.get(number)) is None:  # a completer may have failed instead
                return partial(self._answer, self._completions, number, [])
            if kind in END_KINDS:
                del self._calls[number]
                self._inquiries.end(lambda inquiry: inquiry.within is call and inquiry.for_caller)
            return partial(call.receive, frame)
        match kind:
            case FrameKind.COMPLETIONS:
                return partial(self._answer, self._completions, number, frame.texts())
            case FrameKind.PONG:
                return partial(self._answer, self._looks, number, frame.numbers())
            case FrameKind.MEASURED:
                return partial(self._measured, number, *frame.fields(dict))
            case FrameKind.LOG:
                return partial(self._log_line, *frame.fields(str | None, str))
            case FrameKind.LOADED:
                return partial(self._answer, self._files, *frame.fields(str, dict))
            case FrameKind.READY:
                service, _ = frame.fields(str, object)
                return partial(self._report, service, lambda resident: resident.ready())
            case FrameKind.READ:
                service, contents = frame.fields(str, list)
                return partial(self._report, service, lambda resident: resident.read(contents))
            case FrameKind.SPAWNED:
                service, pid = frame.fields(str, int)
                if pid <= 1:  # signals will be sent to it
                    raise FrameError(f"{pid!r} is not a program's process id")
                return partial(self._report, service, lambda resident: resident.spawned(pid))
            case FrameKind.HUNG:
                service, reason = frame.fields(str, str)
                return partial(self._report, service, lambda resident: resident.hangs(reason))
            case FrameKind.EVENT:
                service, *event = frame.fields(str, str, str, str, bool | None)
                return partial(self._report, service, lambda resident: resident.reported(*event))
            case FrameKind.ASK:
                return self._inquiries.begin(frame, self._calls)
            case FrameKind.LOG_IN:
                return self._inquiries.log_in(frame)
            case FrameKind.TAKEN:
                return self._inquiries.taken(frame)
            case FrameKind.UNASK:
                return partial(self._inquiries.end_one, number)
            case FrameKind.ENDED:
                return partial(self._life_ended, *frame.fields(str, str | None, bool))
        raise FrameError(f"a host may not send a {kind.name} frame")

    def _report(self, service: str, tell: Callable[[Resident], None]) -> None:
        """Tell a service's resident something; one that has left hears nothing."""
        if resident := self._residents.get(service):
            tell(resident)

    def _measured(self, number: int, metrics: dict[str, Any]) -> None:
        self.has_metrics = True
        self._answer(self._looks, number, metrics)

    def _life_ended(self, service: str, reason: str | None, clean: bool) -> None:
        """End what the life leaves behind if the host goes on: its commands, and what it has asked."""
        self._inquiries.end(lambda inquiry: inquiry.service == service)
        for call in [] if self.ending else [call for call in self._calls.values() if call.service == service]:
            call.cancel("stopped while it ran")
        self._report(service, lambda resident: resident.ended(reason, clean))

    @staticmethod
    def _answer(questions: Mapping[Any, asyncio.Future[T]], key: object, answer: T) -> None:
        if (question := questions.get(key)) and not question.done():  # else the question has been given up
            question.set_result(answer)

    def channel_lost(self) -> None:
        """Kill the process soon: without its channel it is of no use. Usually it has just ended."""
        if not self.gone:
            self._loop.call_later(CHANNEL_GRACE, self.signal, signal.SIGKILL)

    def _ended(self, status: int) -> None:
        """The process has ended, with an exit status or by a signal, whose number is then below 0."""
        self._output.finish()
        signal_group(self.pid, signal.SIGKILL)  # nothing that its services have started outlives it
        self._read_the_rest()
        reason = exit_reason(status)
        died = f"its host died: {reason}"
        if self._channel:
            self._channel.abort()
        self.gone = True
        self._when_gone(died, status == 0)
        self._inquiries.end()
        calls, self._calls = self._calls, {}
        for call in calls.values():
            call.end(Failure("stopped while it ran" if self.ending else died))
        for number in list(self._completions):
            self._answer(self._completions, number, [])
        self.ending = True
        self._clearing = self._loop.create_task(self._clear(reason))

    async def _clear(self, reason: str) -> None:
        """End what the services have started and left, wherever it has gone."""
        left = []
        try:
            left = await asyncio.to_thread(lineage.end_now, self._mark)
        except Exception as error:  # no descriptors or no threads are left, or whatever: the host is gone all the same
            log.warning("%s: what is left of it cannot be looked for: %s", self._name, error)
        if left:
            log.error(
                "%s: not ended within %g s by SIGKILL: %s", self._name, lineage.KILL_SECONDS, lineage.text_of(left)
            )
        self.exited.set_result(reason)

    def _read_the_rest(self) -> None:
        """Take in the frames that the host sent just before its end, which may still be in the socket."""
        with suppress(OSError):
            for _ in range(MOST_LAST_READS):  # a child that left the group may write forever
                if not (data := self._pair.recv(LAST_READ_SIZE)):
                    break
                self.received(data)


class _Channel:
    """What a host's end of the socket pair reports."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def data_received(self, data: bytes) -> None:
        self._host.received(data)

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        """Go on: what is sent to a host is bounded by what callers may have under way."""

    def resume_writing(self) -> None:
        """Nothing has paused."""

    def connection_lost(self) -> None:
        self._host.channel_lost()
