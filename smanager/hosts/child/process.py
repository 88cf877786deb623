"""The host's side: a process that runs services and their commands.

The main thread imports the services files, since much code expects to be imported there. Others take turns at reading
the manager's frames, and run plain methods. `async` ones run in one event loop, each service's `start` and `run` in a
thread of its own. When the manager ends, however it does, the socket pair
closes, and the host ends too.
"""

from __future__ import annotations

import faulthandler
import itertools
import os
import queue
import signal
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from smanager.commands.record import COMPLETER_PREFIX, Failure
from smanager.hosts.child import descendants
from smanager.hosts.child.channel import Channel, capture_output
from smanager.hosts.child.errors import LoadError, failure_of, print_traceback
from smanager.hosts.child.execution import Execution
from smanager.hosts.child.life import LEFTOVERS_SECONDS, Life, make
from smanager.hosts.child.questions import ClientInHost, Questions
from smanager.hosts.child.workers import Workers
from smanager.hosts.frames import PAYLOAD_LIMIT, Frame, FrameError, FrameKind, encode_data, encode_failure
from smanager.hosts.source import fingerprint
from smanager.service import SService
from smanager.system import lineage
from smanager.system.descriptors import open_standard_descriptors

ORPHAN_SECONDS = 1.5  # how long services may take over their `stop` when the manager is gone and cannot end them
LAST_SECONDS = 1.0  # how long threads that services have left running may delay the process's exit


def main(descriptor: int) -> None:
    """Serve the manager at the other end of this socket, until the manager asks for the end or is gone."""
    open_standard_descriptors()
    faulthandler.enable()  # before sys.stderr becomes the channel: a fatal error must not need it
    pair = socket.socket(fileno=descriptor)
    pair.set_inheritable(False)
    lineage.bear(lineage.own())
    descendants.mark_what_services_start()
    channel = Channel(pair)
    output = capture_output(channel)
    host = HostProcess(channel)
    threading.Thread(target=host.serve, name="commands", daemon=True).start()
    host.work()
    output.end_lines()


class HostProcess:
    """The services of this process, and what the manager may ask of them."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._imports: queue.SimpleQueue[str | None] = queue.SimpleQueue()  # paths; None at the end
        self._lives: dict[str, Life] = {}
        self._numbers = itertools.count()  # of all lives
        self._workers = Workers(channel, self._receive, self.serve)
        self._questions = Questions(channel, self._workers.relieve)
        self._is_ending = False
        self._orphaned = False

    def work(self) -> None:
        """The main thread's part: import files on request, until the end."""
        while path := self._imports.get():
            self._report(path)
        with suppress(OSError):  # no descriptors are left; the manager has some for this
            lineage.end_now(lineage.own(), signal.SIGTERM, LEFTOVERS_SECONDS)
        if self._orphaned:
            self._kill()

    def serve(self) -> None:
        """A thread's part in reading the manager's frames and running commands, until the manager is gone.

        Whatever goes wrong here, no process is left.
        """
        try:
            self._workers.work()
        except BaseException as error:
            print_traceback(error)
            self._kill()

    def _receive(self) -> bool:
        """Carry out what the manager has sent; if the manager is gone, end, and return False."""
        try:
            if (received := self._channel.receive()) is not None:
                for frame in received:
                    self._accept(frame)
                return True
        except FrameError as error:
            print(f"the manager sent garbage: {error}")
        self._orphaned = True
        self._kill_after(ORPHAN_SECONDS)
        self._end()
        return False

    def _accept(self, frame: Frame) -> None:
        kind = frame.kind
        if kind is FrameKind.CALL or kind is FrameKind.COMPLETE:
            self._call(frame)
        elif kind is FrameKind.CANCEL:
            self._workers.cancel(frame.number)
            self._questions.end(lambda question: question.call == frame.number)  # a thread that waits meets nothing
        elif kind is FrameKind.MORE:
            self._workers.more(frame.number, frame.data())
        elif kind in (FrameKind.PART, FrameKind.PROGRESS, FrameKind.ANSWER, FrameKind.REFUSAL):
            self._questions.deliver(frame)
        elif kind is FrameKind.PING:
            lives = dict(self._lives)  # a copy, because lives end in threads of their own
            silences = {name: lives[name].silent for name in frame.data() if name in lives}
            self._channel.send(encode_data(FrameKind.PONG, frame.number, silences))
        elif kind is FrameKind.MEASURE:
            self._tell_metrics(frame.number)
        elif kind is FrameKind.LOAD:
            self._imports.put(frame.data())
        elif kind is FrameKind.START:
            self._start(*frame.data())
        elif kind is FrameKind.STOP:
            if life := self._lives.get(frame.data()):
                self._stop(life)
        elif kind is FrameKind.SIGNAL:
            name, number = frame.data()
            if life := self._lives.get(name):
                life.signal(number)
        elif kind is FrameKind.END and not self._is_ending:  # it is asked for twice, and the end may be near
            self._is_ending = True
            threading.Thread(target=self._end, name="end", daemon=True).start()

    def _call(self, frame: Frame) -> None:
        caller, name, method, *rest = frame.data()
        life = self._lives.get(name)
        if life is None or (service := life.service) is None:
            self._channel.send(encode_failure(frame.number, Failure(f"{name} has not started yet, or has ended")))
            return
        try:
            if frame.kind is FrameKind.COMPLETE:
                completer = getattr(service, COMPLETER_PREFIX + method) if method else paths_for_tab
                execution = Execution(
                    self._channel, frame.number, name, completer, rest, caller=caller, completes=True, name=method
                )
            else:
                arguments, options, as_data, columns = rest
                if arguments or options:
                    owner: type = type(service)
                    arguments, options = reviver(owner, method)(arguments, options)
                function = getattr(service, method)
                execution = Execution(
                    self._channel,
                    frame.number,
                    name,
                    function,
                    arguments,
                    options,
                    caller,
                    as_data,
                    columns,
                    name=method,
                )
        except Exception as error:
            self._channel.send(encode_failure(frame.number, failure_of(error)))
        else:
            self._workers.put(execution)

    def _report(self, path: str) -> None:
        from smanager.hosts.child.loader import report

        before = fingerprint(Path(path))
        classes = load(path)
        content = {"services": [], "problems": [str(classes)]} if isinstance(classes, LoadError) else report(classes)
        frame = encode_data(FrameKind.LOADED, 0, [path, {**content, "fingerprint": before}])
        if len(frame) > PAYLOAD_LIMIT:
            problem = f"the description of its services has {len(frame)} bytes, and should have at most {PAYLOAD_LIMIT}"
            content = {"services": [], "problems": [problem]}
            frame = encode_data(FrameKind.LOADED, 0, [path, {**content, "fingerprint": before}])
        self._channel.send(frame)

    def _tell_metrics(self, number: int) -> None:
        metrics = {name: life.metrics for name, life in dict(self._lives).items()}
        frame = encode_data(FrameKind.MEASURED, number, [metrics])
        if len(frame) > PAYLOAD_LIMIT:
            print(f"the metrics of its services have {len(frame)} bytes, and should have at most {PAYLOAD_LIMIT}")
            frame = encode_data(FrameKind.MEASURED, number, [{}])
        self._channel.send(frame)

    def _start(self, name: str, path: str | None, title: str, given: Mapping[str, Any], kept: str | None) -> None:
        mark = lineage.of_life(lineage.own(), next(self._numbers))
        life = self._lives[name] = Life(name, mark, self._channel, self._forget, lambda: len(self._lives) == 1)
        try:
            manager = ClientInHost(self._questions, name)
            life.begin(lambda: make(self._class(path, title), name, given, manager, kept, life.told))
        except RuntimeError as error:  # the system has no threads left
            life.end(str(error))

    def _class(self, path: str | None, title: str) -> type[SService]:
        if path is None:
            from smanager.hosts.child.program import Program  # here, because only hosts of programs need it

            return Program
        classes = load(path)
        if isinstance(classes, LoadError):
            raise classes
        return {service.__name__: service for service in classes}[title]

    def _forget(self, life: Life) -> None:
        if self._lives.get(life.name) is life:
            del self._lives[life.name]

    def _stop(self, life: Life) -> None:
        life.stop()
        # Its `run` may wait for the manager. Its commands may end as they like.
        self._questions.end(lambda question: question.service == life.name and not question.call)

    def _end(self) -> None:
        """Stop the services side by side, then let the interpreter exit normally."""
        lives = list(self._lives.values())
        for life in lives:
            self._stop(life)
        for life in lives:
            life.ended.wait()
        self._kill_after(LAST_SECONDS)
        for life in lives:
            life.join()
        load.cache_clear()  # what classes hold is freed too
        reviver.cache_clear()
        self._imports.put(None)

    def _kill_after(self, seconds: float) -> None:
        timer = threading.Timer(seconds, self._kill)
        timer.daemon = True
        timer.start()

    def _kill(self) -> None:
        """Kill this process, its group, and all that its services have started."""
        for life in list(self._lives.values()):
            life.signal(signal.SIGKILL)
        with suppress(OSError):  # likewise the guard
            for process in lineage.look().descendants(lineage.own()):
                lineage.send(process.target, signal.SIGKILL)
        os.killpg(0, signal.SIGKILL)


@cache
def load(path: str) -> list[type[SService]] | LoadError:
    """The service classes in a file, which is imported only the first time, or what is wrong with it."""
    from smanager.hosts.child import loader  # here, because a host of programs does not need its imports

    try:
        return loader.load(Path(path))
    except LoadError as error:
        return error


@cache
def reviver(owner: type, method: str) -> Callable[..., tuple[list[Any], dict[str, Any]]]:
    """Makes a command's arguments and options from JSON."""
    from smanager.commands.signatures import signature_of  # here, because commands without arguments do not need it

    return signature_of(owner, method).revive


def paths_for_tab(text: str, *ignored: object) -> list[str]:
    """The paths that begin with `text`, directories with a trailing slash; hidden ones only after a typed dot."""
    directory, _, begun = text.rpartition("/")
    try:
        place = Path(f"{directory}/" if "/" in text else ".").expanduser()
        entries = sorted(os.scandir(place), key=lambda entry: entry.name)
    except (OSError, RuntimeError):  # RuntimeError: `~` before the name of a user without a home directory
        return []
    return [
        f"{text.removesuffix(begun)}{entry.name}{'/' * entry.is_dir()}"
        for entry in entries
        if entry.name.startswith(begun) and (begun or not entry.name.startswith("."))
    ]
