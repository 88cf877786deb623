"""One life of a service in its host: a new object, its `start`, its `run`, and its `stop`."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future, wait
from contextvars import copy_context
from pathlib import Path
from signal import SIGTERM
from time import monotonic
from typing import TYPE_CHECKING, Any

from smanager.config.service import SERVICE_KEYS
from smanager.hosts.child import descendants
from smanager.hosts.child.channel import Channel, current_service, service_output
from smanager.hosts.child.errors import in_one_line, print_traceback
from smanager.hosts.child.event_loop import run_in_loop, settle
from smanager.hosts.frames import FrameKind, encode_data
from smanager.service import Finished, ManagerClient, SService
from smanager.system import lineage
from smanager.system.processes import set_limits

if TYPE_CHECKING:
    from smanager.metrics.told import ToldMetrics

LEFTOVERS_SECONDS = 0.1  # how long the processes that a service has left behind have to end by themselves

REPORTS = {  # by what is told
    "ready": FrameKind.READY,
    "read": FrameKind.READ,
    "spawned": FrameKind.SPAWNED,
    "hung": FrameKind.HUNG,
    "event": FrameKind.EVENT,
}


class Life:
    """A service's object, the thread that runs it, and the reports to the manager."""

    def __init__(
        self,
        name: str,
        mark: int,
        channel: Channel,
        forget: Callable[[Life], None],
        is_last: Callable[[], bool],
    ) -> None:
        """`forget` is called when the life has ended, just before the manager is told.

        `mark` is for what the life starts; `is_last` says whether this is the host's only life.
        """
        self.name = name
        self._mark = mark
        self._is_last = is_last
        self.service: SService | None = None  # once it has been made
        self.ended = threading.Event()
        self._channel = channel
        self._forget = forget
        self._lock = threading.Lock()  # because `stop` may come at any moment of the other thread's work
        self._stopping = False
        self._stoppers: list[threading.Thread] = []
        self._work: Future[Any] | None = None
        self._sign_of_life: float | None = None  # of `run`, once it has begun
        self._metrics: ToldMetrics | None = None  # once the service has told any
        self._lacks_metrics = False  # whether it has told too many

    @property
    def silent(self) -> float:
        """Seconds since `run` began, or since the service last said that it is alive."""
        return 0.0 if self._sign_of_life is None else monotonic() - self._sign_of_life

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """What the service has told by `metric`, as JSON."""
        return [metric._asdict() for metric in self._metrics.all()] if self._metrics else []

    def begin(self, make: Callable[[], SService]) -> None:
        """Make the object, `start` it and `run` it, in a thread. Raises RuntimeError if a thread cannot start."""
        self._thread = threading.Thread(target=self._live, args=[make], name=f"{self.name} run", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the service in another thread, which tells the manager when the service has ended."""
        thread = threading.Thread(target=self._stop, name=f"{self.name} stop", daemon=True)
        self._stoppers.append(thread)
        thread.start()

    def join(self) -> None:
        """Wait for the threads of a life that was told to stop and has ended; up to their end they hold the service."""
        for thread in (self._thread, *self._stoppers):
            thread.join()

    def signal(self, number: int) -> None:
        if self.service is not None:
            self.service._signal(number)

    def _live(self, make: Callable[[], SService]) -> None:
        current_service.set(self.name)
        descendants.begins(self.name, self._mark)
        try:
            service = make()
            service._mark = self._mark
            with self._lock:
                if self._stopping:
                    return  # stopped before there was an object to stop
                self.service = service
            settle(service.start())
        except Finished as end:
            self.end(str(end), end.clean)
            return
        except BaseException as error:
            print_traceback(error)
            self.end(f"its start raised {in_one_line(error)}")
            return
        if self._stopping:
            return
        if not service.calls_ready:
            self.told("ready")
        self._conclude(lambda: self._run(service))

    def _run(self, service: SService) -> None:
        """Call `run`; if it returns an awaitable or a future, its work continues outside this thread."""
        self._sign_of_life = monotonic()
        work = service.run()
        if inspect.isawaitable(work):
            work = run_in_loop(work)
        if isinstance(work, Future):
            with self._lock:
                self._work = work
                if self._stopping:
                    work.cancel()
            context = copy_context()  # holds the service's name
            work.add_done_callback(lambda work: context.run(self._conclude, work.result))

    def _conclude(self, work: Callable[[], object]) -> None:
        """Do the work, or learn how it went, and report the life's end if this was the end."""
        try:
            work()
            if self._work is None or self._work.done():
                self._sign_of_life = None  # `run` has returned, and so may be silent
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
                return  # a second request
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
        killed = service._killed if service else ""
        self.end(killed or None, clean=not killed, asked=True)

    def end(self, reason: str | None, clean: bool = False, asked: bool = False) -> None:
        """Report, once, that the life has ended.

        `reason` is None if the life has ended as `asked`, or else says why that was not enough.
        """
        self._end_descendants()
        with self._lock:
            if self.ended.is_set() or (self._stopping and not asked):
                return  # `_stop` will report it
            if output := service_output():
                output.end_lines(self.name)
            self._forget(self)
            # It refers to this life: in a cycle, its files might be closed before they are flushed. It is freed once
            # the lock is released, because its `__del__` may tell the manager something.
            _freed_last, self.service = self.service, None
            self._channel.send(encode_data(FrameKind.ENDED, 0, [self.name, reason, clean]))
            self.ended.set()

    def _end_descendants(self) -> None:
        """End what the service has started and left, if the host goes on; what is left of the last, the host ends."""
        if self._is_last() or (self.service and self.service._ends_descendants):
            return
        try:
            if left := lineage.end_now(self._mark, SIGTERM, LEFTOVERS_SECONDS):
                print(f"not ended within {lineage.KILL_SECONDS:g} s by SIGKILL: {lineage.text_of(left)}")
        except OSError as error:
            print(f"what it has started cannot be looked for: {in_one_line(error)}")

    def told(self, what: str, value: object = None) -> None:
        """Take what the service says about itself; after the life's end, it no longer counts."""
        if what == "alive":
            self._sign_of_life = monotonic()
            return
        if what == "metric":
            self._told_metric(value)
            return
        with self._lock:
            if not self.ended.is_set():
                values = value if isinstance(value, tuple) else (value,)
                self._channel.send(encode_data(REPORTS[what], 0, [self.name, *values]))

    def _told_metric(self, metric: Any) -> None:
        from smanager.metrics.told import MOST_SERIES, ToldMetrics  # here, because few services have metrics

        with self._lock:
            if self._metrics is None:
                self._metrics = ToldMetrics()
                self._channel.send(encode_data(FrameKind.MEASURED, 0, [{}]))
        if not self._metrics.tell(*metric) and not self._lacks_metrics:
            self._lacks_metrics = True
            print(f"metric {metric[0]}: this and further series are left out; a service may have {MOST_SERIES}")


def make(
    service: type[SService],
    name: str,
    given: Mapping[str, Any],
    manager: ManagerClient,
    state_dir: str | None = None,
    tell: Callable[..., object] = SService._tell,
) -> SService:
    """Make a service's object, its name and settings first. Raises ValueError if its limits cannot be set.

    `tell` takes what the service says about itself.
    """
    if "program" not in given:  # a program's limits are set in the program's own process
        set_limits(SERVICE_KEYS["limits"].check(given.get("limits", {})))
    made = service.__new__(service)
    made.name = name
    made.options = given.get("options", {})
    made.manager = manager
    made.state_dir = Path(state_dir) if state_dir else None
    made._given = given
    made._tell = tell
    made.__init__()  # type: ignore[misc]  # the only way to call it last
    return made
