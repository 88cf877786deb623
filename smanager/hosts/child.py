"""The host's side: a process that runs the services of one file and carries out their commands.

The main thread reads the manager's frames and does nothing that could keep it from that. Plain methods
run in worker threads, `async` ones in one event loop, each service's `start` and `run` in a thread of
its own. The end of the manager, in whatever way, is the end of the socket pair, and so of the host.
"""

from __future__ import annotations

import faulthandler
import inspect
import os
import select
import signal
import socket
import threading
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future
from pathlib import Path

from smanager.commands import COMPLETER_PREFIX
from smanager.hosts import frames
from smanager.hosts.calls import Call, Workers, run_in_loop, settle
from smanager.hosts.channel import Channel, capture_output, current_service
from smanager.hosts.frames import Frame, FrameError, Kind
from smanager.hosts.loader import LoadError, described, in_one_line, line_of, load, print_traceback, service_name
from smanager.service import SService

WATCH_SECONDS = 0.5
"""How often the watch on the manager looks whether the import is done."""

STOP_SECONDS = 5.0
"""How long services may take over `stop` and the return of `run` before the whole group is killed."""


def main(descriptor: int, path: Path) -> None:
    """Load the services file, report what is in it, and serve the manager until it has enough."""
    faulthandler.enable()  # before sys.stderr becomes the channel: a fatal error must not need it
    pair = socket.socket(fileno=descriptor)
    pair.set_inheritable(False)
    channel = Channel(pair)
    output = capture_output(channel)
    loaded = threading.Event()
    threading.Thread(target=_end_with_manager, args=[pair, loaded], name="manager watch", daemon=True).start()
    try:
        services, report = _instances(load(path))
    except LoadError as error:
        services, report = [], {"services": [], "problems": [str(error)]}
    loaded.set()
    channel.send(frames.encode_data(Kind.LOADED, 0, report))
    Host(channel, services).serve()
    output.finish()


def _end_with_manager(pair: socket.socket, loaded: threading.Event) -> None:
    """End at once where the manager ends during the import, which may take for ever: nobody reads the pair then."""
    watch = select.poll()
    watch.register(pair, 0)  # only for POLLHUP, which needs no asking
    while not loaded.is_set():
        if watch.poll(WATCH_SECONDS * 1000) and not loaded.is_set():
            os.killpg(0, signal.SIGKILL)


def _instances(classes: Sequence[type[SService]]) -> tuple[list[SService], dict[str, object]]:
    """The services, made; and what the manager is told of them."""
    services: list[SService] = []
    descriptions: list[object] = []
    problems: list[object] = []
    for service in classes:
        try:
            description, complaints = described(service)
            problems += complaints
            services.append(service())
            descriptions.append(description)
        except BaseException as error:
            print_traceback(error)
            problems.append(f"line {line_of(service)}: {service.__name__}: {in_one_line(error)}")
    return services, {"services": descriptions, "problems": problems}


class Host:
    """The services of this process, and what the manager may ask of them."""

    def __init__(self, channel: Channel, services: Sequence[SService]) -> None:
        self._channel = channel
        self._services: dict[str, SService] = {}
        for service in services:
            self._services.setdefault(service_name(type(service)), service)
        self._started: dict[str, threading.Thread] = {}
        self._tasks: dict[str, Future[object]] = {}
        self._workers = Workers(channel)

    def serve(self) -> None:
        """Carry out the manager's frames until it asks for the end, or is gone."""
        wanted = True
        while wanted:
            self._wait()
            received = self._channel.receive()
            try:
                wanted = received is not None and all(self._accept(frame) for frame in received)
            except FrameError as error:
                print(f"the manager sends garbage: {error}")
                wanted = False
        self._stop()

    def _wait(self) -> None:
        """Wait for frames; add workers meanwhile, where those that there are do not keep up."""
        while (patience := self._workers.patience()) is not None:
            if patience <= 0:
                self._workers.grow()
            elif self._channel.wait(patience):
                return

    def _accept(self, frame: Frame) -> bool:
        """Carry out one frame; False where it is the last."""
        if frame.kind is Kind.CALL or frame.kind is Kind.COMPLETE:
            self._call(frame)
        elif frame.kind is Kind.CANCEL:
            self._workers.cancel(frame.number)
        elif frame.kind is Kind.MORE:
            self._workers.more(frame.number, frame.data())
        elif frame.kind is Kind.START:
            self._start(frame.data())
        return frame.kind is not Kind.STOP

    def _call(self, frame: Frame) -> None:
        service, name, *rest = frame.data()
        completes = frame.kind is Kind.COMPLETE
        try:
            method = getattr(self._services[service], COMPLETER_PREFIX + name if completes else name)
        except Exception as error:
            self._channel.send(frames.encode_text(Kind.ERROR, frame.number, in_one_line(error)))
        else:
            self._workers.put(Call(frame.number, service, method, rest if completes else rest[0], completes))

    def _start(self, name: str) -> None:
        thread = threading.Thread(target=self._live, args=[name], name=f"{name} run", daemon=True)
        self._started[name] = thread
        thread.start()

    def _live(self, name: str) -> None:
        """A service's life: `start`, then `run`."""
        current_service.set(name)
        service = self._services[name]
        try:
            settle(service.start())
        except BaseException as error:
            print_traceback(error)
            self._channel.send(frames.encode_data(Kind.STARTED, 0, [name, in_one_line(error)]))
            return
        self._channel.send(frames.encode_data(Kind.STARTED, 0, [name, None]))
        try:
            work = service.run()
            if inspect.isawaitable(work):
                self._tasks[name] = run_in_loop(work)
                self._tasks[name].result()
        except CancelledError:
            pass  # an `async` run whose service was told to stop
        except BaseException as error:
            print_traceback(error)

    def _stop(self) -> None:
        """Stop the services side by side, then let the interpreter end as any other; all within STOP_SECONDS."""
        deadline = threading.Timer(STOP_SECONDS, os.killpg, [0, signal.SIGKILL])
        deadline.daemon = True
        deadline.start()
        stops = [
            threading.Thread(target=self._stop_one, args=[name], name=f"{name} stop", daemon=True)
            for name in self._started
        ]
        for thread in stops:
            thread.start()
        for thread in [*stops, *self._started.values()]:
            thread.join()
        # What the services have started and left behind is told to end as well.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.killpg(0, signal.SIGTERM)

    def _stop_one(self, name: str) -> None:
        current_service.set(name)
        try:
            settle(self._services[name].stop())
        except BaseException as error:
            print_traceback(error)
        if name in self._tasks:
            self._tasks[name].cancel()
