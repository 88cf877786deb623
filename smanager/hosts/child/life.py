"""One life of a service in its host: a new object, its `start`, its `run`, and its `stop`."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future, wait
from contextvars import copy_context
from time import monotonic
from typing import Any

from smanager.hosts import frames
from smanager.hosts.child.channel import Channel, current_service, end_lines
from smanager.hosts.child.errors import in_one_line, print_traceback
from smanager.hosts.child.limits import set_limits
from smanager.hosts.child.workers import run_in_loop, settle
from smanager.hosts.frames import Kind
from smanager.service import Finished, SService


class Life:
    """A service's object, the thread that lives it, and what the manager is told of it."""

    def __init__(self, name: str, channel: Channel, forget: Callable[[Life], None]) -> None:
        """`forget` is told when the life has ended, just before the manager is."""
        self.name = name
        self.service: SService | None = None
        """The object, once it has been made."""
        self._channel = channel
        self._forget = forget
        self._lock = threading.Lock()  # `stop` may come at any moment of what the other thread does
        self._stopping = False
        self.ended = threading.Event()
        self._work: Future[Any] | None = None
        self._sign_of_life: float | None = None  # of `run`, once that has begun
        self._thread = threading.Thread(target=self._live, name=f"{name} run", daemon=True)

    @property
    def silent(self) -> float:
        """Seconds since `run` has begun, or the service last said that it is alive."""
        return 0.0 if self._sign_of_life is None else monotonic() - self._sign_of_life

    def begin(self, make: Callable[[], SService]) -> None:
        """Make the object, `start` it and `run` it, in a thread."""
        self._make = make
        self._thread.start()

    def stop(self) -> None:
        """Have the service stop, in another thread; the manager is told when it has ended."""
        threading.Thread(target=self._stop, name=f"{self.name} stop", daemon=True).start()

    def signal(self, number: int) -> None:
        """Send a signal to what it has outside this process."""
        if self.service is not None:
            self.service._signal(number)

    def _live(self) -> None:
        current_service.set(self.name)
        try:
            service = self._make()
            service._tell = self._told
            with self._lock:
                if self._stopping:
                    return  # before there was anything to stop
                self.service = service
            settle(service.start())
        except BaseException as error:
            print_traceback(error)
            self.end(f"its start raised {in_one_line(error)}")
            return
        if self._stopping:
            return
        if not service.calls_ready:
            self._told("ready")
        self._conclude(lambda: self._run(service))

    def _run(self, service: SService) -> None:
        """What takes its time and is no method that just runs goes on without this thread."""
        self._sign_of_life = monotonic()
        work = service.run()
        if inspect.isawaitable(work):
            work = run_in_loop(work)
        if isinstance(work, Future):
            with self._lock:
                self._work = work
                if self._stopping:
                    work.cancel()
            context = copy_context()  # its service's name is in it
            work.add_done_callback(lambda work: context.run(self._conclude, work.result))

    def _conclude(self, work: Callable[[], object]) -> None:
        """Do the work, or learn how it went, and say that the life has ended if it has."""
        try:
            work()
            if self._work is None or self._work.done():
                self._sign_of_life = None  # there is no `run` any more that could be silent
        except Finished as end:
            self.end(str(end), end.clean)
        except CancelledError:  # an `async` run, whose service was told to stop
            self.end("its run was cancelled")
        except BaseException as error:
            print_traceback(error)
            self.end(f"its run raised {in_one_line(error)}")

    def _stop(self) -> None:
        current_service.set(self.name)
        with self._lock:
            if self._stopping:
                return  # asked for twice
            self._stopping = True
            service = self.service
        if service is not None:
            try:
                settle(service.stop())
            except BaseException as error:
                print_traceback(error)
        self._thread.join()
        if self._work:
            self._work.cancel()
            wait([self._work])
        self.end(None, clean=True)

    def end(self, reason: str | None, clean: bool = False) -> None:
        """Say, once, that the life has ended; `reason` is None where that was asked for."""
        with self._lock:
            if self.ended.is_set() or (self._stopping and reason is not None):
                return  # `_stop` will say it
            end_lines(self.name)
            self._forget(self)
            self._channel.send(frames.encode_data(Kind.ENDED, 0, [self.name, reason, clean]))
            self.ended.set()

    def _told(self, what: str, value: object = None) -> None:
        """The service has said something about itself; what comes after its end is not of this life any more."""
        if what == "alive":
            self._sign_of_life = monotonic()
            return
        kinds = {"ready": Kind.READY, "spawned": Kind.SPAWNED, "hung": Kind.HUNG}
        with self._lock:
            if not self.ended.is_set():
                self._channel.send(frames.encode_data(kinds[what], 0, [self.name, value]))


def make(service: type[SService], name: str, given: Mapping[str, Any]) -> SService:
    """A service's object, with its name and what the configuration gives it in place before its `__init__`.

    Raises ValueError where its process cannot be limited as it says.
    """
    if "program" not in given:  # else the limits are the program's
        set_limits(given.get("limits", {}))
    made = service.__new__(service)
    made.name = name
    made.options = given.get("options", {})
    made._given = given
    made.__init__()  # type: ignore[misc]  # no other way to have it come last
    return made
