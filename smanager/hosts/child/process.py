"""The host's side: a process that runs services and carries out their commands.

The main thread imports the services files, since much code expects to be imported there. Another thread
reads the manager's frames and does nothing that could keep it from that. Plain methods run in worker
threads, `async` ones in one event loop, each service's `start` and `run` in a thread of its own. The end
of the manager, in whatever way, is the end of the socket pair, and so of the host.
"""

from __future__ import annotations

import faulthandler
import os
import queue
import signal
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, Any

from smanager.commands.record import COMPLETER_PREFIX
from smanager.hosts import frames
from smanager.hosts.child.channel import Channel, capture_output
from smanager.hosts.child.errors import LoadError, in_one_line, print_traceback
from smanager.hosts.child.life import Life, make
from smanager.hosts.child.path_words import matching
from smanager.hosts.child.workers import Call, Workers
from smanager.hosts.frames import Frame, FrameError, Kind
from smanager.hosts.source import fingerprint
from smanager.service import SService

if TYPE_CHECKING:
    from smanager.commands.signatures import Signature

ORPHAN_SECONDS = 1.5
"""How long services may take over their `stop` where the manager is gone, and nobody else could end them."""

LEFTOVERS_SECONDS = 0.1
"""How long what they have started has then to end by itself."""

LAST_SECONDS = 1.0
"""How long what services have left running in the process may keep it from its end."""


def main(descriptor: int) -> None:
    """Serve the manager at the other end of this socket, until it has enough or is gone."""
    faulthandler.enable()  # before sys.stderr becomes the channel: a fatal error must not need it
    pair = socket.socket(fileno=descriptor)
    pair.set_inheritable(False)
    channel = Channel(pair)
    output = capture_output(channel)
    host = Host(channel)
    threading.Thread(target=host.serve, name="control", daemon=True).start()
    host.work()
    output.finish()


class Host:
    """The services of this process, and what the manager may ask of them."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._imports: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._files: dict[str, list[type[SService]] | LoadError] = {}
        self._lives: dict[str, Life] = {}
        self._signatures: dict[tuple[type, str], Signature] = {}
        self._workers = Workers(channel)
        self._orphaned = False

    def work(self) -> None:
        """The main thread's part: import what is asked for, until the end."""
        while job := self._imports.get():
            job()
        # What the services have started and left behind is told to end as well; the manager, if it is there, kills it.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.killpg(0, signal.SIGTERM)
        if self._orphaned:
            sleep(LEFTOVERS_SECONDS)
            self._kill()

    def serve(self) -> None:
        """Carry out the manager's frames until it is gone; nothing may be left behind, whatever goes wrong here."""
        try:
            self._serve()
        except BaseException as error:
            print_traceback(error)
            self._kill()

    def _serve(self) -> None:
        while (received := self._channel.receive()) is not None:
            try:
                for frame in received:
                    self._accept(frame)
            except FrameError as error:
                print(f"the manager sends garbage: {error}")
                break
            self._wait()
        self._orphaned = True
        self._in_time(ORPHAN_SECONDS)
        self._end()

    def _wait(self) -> None:
        """Wait for frames; add workers meanwhile, where those that there are do not keep up."""
        while (patience := self._workers.patience()) is not None:
            if patience <= 0:
                self._workers.grow()
            elif self._channel.wait(patience):
                return

    def _accept(self, frame: Frame) -> None:
        kind = frame.kind
        if kind is Kind.CALL or kind is Kind.COMPLETE:
            self._call(frame)
        elif kind is Kind.CANCEL:
            self._workers.cancel(frame.number)
        elif kind is Kind.MORE:
            self._workers.more(frame.number, frame.data())
        elif kind is Kind.PING:
            lives = dict(self._lives)  # they end in threads of their own
            silences = {name: lives[name].silent for name in frame.data() if name in lives}
            self._channel.send(frames.encode_data(Kind.PONG, frame.number, silences))
        elif kind is Kind.LOAD:
            path = frame.data()
            self._imports.put(lambda: self._report(path))
        elif kind is Kind.START:
            self._start(*frame.data())
        elif kind is Kind.STOP:
            if life := self._lives.get(frame.data()):
                life.stop()
        elif kind is Kind.SIGNAL:
            name, number = frame.data()
            if life := self._lives.get(name):
                life.signal(number)
        elif kind is Kind.END:
            threading.Thread(target=self._end, name="end", daemon=True).start()

    def _call(self, frame: Frame) -> None:
        service, name, *rest = frame.data()
        try:
            owner = self._lives[service].service
            if owner is None:
                raise RuntimeError("its start has not come so far")
            if frame.kind is Kind.COMPLETE:
                completer = getattr(owner, COMPLETER_PREFIX + name) if name else matching
                call = Call(frame.number, service, completer, rest, completes=True)
            else:
                arguments, options, as_data = rest
                if arguments or options:
                    arguments, options = self._signature(type(owner), name).revive(arguments, options)
                call = Call(frame.number, service, getattr(owner, name), arguments, options, as_data)
        except Exception as error:
            self._channel.send(frames.encode_text(Kind.ERROR, frame.number, in_one_line(error)))
        else:
            self._workers.put(call)

    def _signature(self, owner: type, method: str) -> Signature:
        from smanager.commands.signatures import signature_of

        if (owner, method) not in self._signatures:
            self._signatures[owner, method] = signature_of(owner, method)
        return self._signatures[owner, method]

    def _report(self, path: str) -> None:
        from smanager.hosts.child.loader import report

        before = fingerprint(Path(path))
        classes = self._load(path)
        found = {"services": [], "problems": [str(classes)]} if isinstance(classes, LoadError) else report(classes)
        self._channel.send(frames.encode_data(Kind.LOADED, 0, [path, {**found, "fingerprint": before}]))

    def _load(self, path: str) -> list[type[SService]] | LoadError:
        """The file's service classes, imported at the first time only, or what is wrong with it."""
        from smanager.hosts.child.loader import load  # a host of programs has no use for all that it takes

        if path not in self._files:
            try:
                self._files[path] = load(Path(path))
            except LoadError as error:
                self._files[path] = error
        return self._files[path]

    def _start(self, name: str, path: str | None, title: str, given: Mapping[str, Any]) -> None:
        life = self._lives[name] = Life(name, self._channel, self._forget)
        try:
            life.begin(lambda: make(self._class(path, title), name, given))
        except RuntimeError as error:  # no thread is to be had
            life.end(str(error))

    def _class(self, path: str | None, title: str) -> type[SService]:
        if path is None:
            from smanager.hosts.child.program import Program  # only hosts of programs need it

            return Program
        classes = self._load(path)
        if isinstance(classes, LoadError):
            raise classes
        return {found.__name__: found for found in classes}[title]

    def _forget(self, life: Life) -> None:
        if self._lives.get(life.name) is life:
            del self._lives[life.name]

    def _end(self) -> None:
        """Stop the services side by side, then let the interpreter end as any other."""
        lives = list(self._lives.values())
        for life in lives:
            life.stop()
        for life in lives:
            life.ended.wait()
        self._in_time(LAST_SECONDS)
        self._imports.put(None)

    def _in_time(self, seconds: float) -> None:
        """Have all that is still there after so many seconds killed."""
        timer = threading.Timer(seconds, self._kill)
        timer.daemon = True
        timer.start()

    def _kill(self) -> None:
        for life in list(self._lives.values()):
            life.signal(signal.SIGKILL)
        os.killpg(0, signal.SIGKILL)
