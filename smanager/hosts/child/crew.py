"""A host's threads: they take turns at reading the manager's frames, and run commands.

The thread that reads runs short commands itself, one after the other, as long as another thread stands by to take the
reading over (see `reading`). Commands that are known to be long are for the others. Another thread is made only when
commands have waited for a moment.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from time import monotonic

from smanager.hosts.child.channel import Channel
from smanager.hosts.child.execution import Execution
from smanager.hosts.child.pace import Pace
from smanager.hosts.child.places import MOST_WORKERS
from smanager.hosts.child.reading import PATIENCE, Reading, ReadingState

IDLE_SECONDS = 10.0  # after which an idle thread ends, unless it is the last that stands by


class Duty(Enum):
    """What a thread is to do, if not to run a command."""

    READ = auto()
    LEAVE = auto()


class Crew:
    """The threads of a host that read and run commands, and the commands that wait for one of them."""

    def __init__(
        self,
        channel: Channel,
        receive: Callable[[], bool],
        run: Callable[[Execution], object],
        serve: Callable[[], object],
    ) -> None:
        """`receive` takes what the manager has sent, and returns whether there will be more; `run` runs a command.

        `serve` is what each new thread does: it calls `work`.
        """
        self.lock = threading.Lock()
        self.held = 0  # threads that wait for their callers to read
        self._channel = channel
        self._receive = receive
        self._run = run
        self._serve = serve
        self._changed = threading.Condition(self.lock)  # notified for each thread that is to leave its idleness
        self._reading = Reading()
        self._pace = Pace()
        self._for_reader: deque[Execution] = deque()
        self._for_others: deque[Execution] = deque()
        self._count = 1  # with the one that begins to read
        self._idle = 0
        self._is_watched = False  # whether an idle thread has set a time for its next look at the reader
        self._received = 0.0  # when something was last read, or looked for
        self._progress = 0.0  # when a thread was last made, or one that does not read took a command, or was first to

    @property
    def is_new(self) -> bool:
        """Whether there is no thread yet beside the one that reads."""
        return self._count < 2

    @property
    def _all_taken(self) -> bool:
        return self._count - 1 - self.held >= MOST_WORKERS  # one reads

    def begin(self, execution: Execution) -> None:
        """Have a command run; the lock is held."""
        if self._reading.is_by(threading.get_ident()) and self._pace.is_short(execution):
            self._for_reader.append(execution)
        else:
            if not self._for_others:
                self._progress = monotonic()
            self._for_others.append(execution)
            self._changed.notify()

    def grow(self) -> None:
        """Add a thread, if the system has one left; otherwise those that there are go on."""
        with self.lock:
            self._count += 1
            self._progress = monotonic()
        try:
            threading.Thread(target=self._serve, name="commands", daemon=True).start()
        except RuntimeError:
            with self.lock:
                self._count -= 1

    def relieve(self) -> None:
        """Have another thread take this one's place, because this one begins to wait."""
        with self.lock:
            if self._reading.let_go(threading.get_ident()):
                self._changed.notify()

    def replace(self) -> None:
        """Add a thread for commands that wait, because this one begins to wait without counting any longer."""
        with self.lock:
            is_short_of_threads = bool(self._for_others) and not self._idle and not self._all_taken
        if is_short_of_threads:
            self.grow()

    def work(self) -> None:
        """A thread's part: whatever is to be done, until nothing has been for a while or the manager is gone."""
        thread = threading.get_ident()
        while self._do(self._next(thread)):
            pass  # and nothing here refers to what was done: an idle thread would keep its arguments and its service

    def _do(self, duty: Execution | Duty) -> bool:
        """Run a command or read; returns whether the thread is to go on."""
        if not isinstance(duty, Execution):
            return duty is Duty.READ and self._read()
        began = monotonic()
        self._run(duty)
        self._pace.took(duty, monotonic() - began)
        return True

    def _next(self, thread: int) -> Execution | Duty:
        in_vain = False
        with self.lock:
            self._reading.end(thread)
            while True:
                now = monotonic()
                if self._reading.is_by(thread) or self._reading.take_over(thread, now):
                    return self._next_of_reader(thread, now)
                if self._may_leave_the_reader and (execution := self._next_of_others()):
                    self._progress = now
                    return execution
                if in_vain and self._idle:
                    self._count -= 1
                    return Duty.LEAVE
                in_vain = self._stand_by(now)

    def _next_of_reader(self, thread: int, now: float) -> Execution | Duty:
        if self._may_reader_run and now < self._received + PATIENCE:
            self._reading.begin(thread, now)
            if not self._is_watched:
                self._changed.notify()
            return self._for_reader.popleft()
        if self._for_others:
            self._changed.notify()
        return Duty.READ

    def _next_of_others(self) -> Execution | None:
        if self._for_others:
            return self._for_others.popleft()
        if self._for_reader and not self._idle:  # the reader may not run it
            return self._for_reader.popleft()
        return None

    @property
    def _may_reader_run(self) -> bool:
        return bool(self._for_reader) and self._idle > 0

    @property
    def _may_leave_the_reader(self) -> bool:
        """Whether a thread may do something else: one at least stands by while the reader runs a command."""
        return self._idle > 0 or self._reading.state is not ReadingState.RUNS

    def _stand_by(self, now: float) -> bool:
        """Wait until something is to be done, or to be looked at; returns whether the wait was long and in vain."""
        seconds = None if self._is_watched else self._reading.next_look(now)
        watches = seconds is not None
        if watches:
            self._is_watched = True
        elif self._idle:
            seconds = IDLE_SECONDS
        self._idle += 1
        was_notified = self._changed.wait(seconds)
        self._idle -= 1
        if watches:
            self._is_watched = False
        return not was_notified and not watches

    def _read(self) -> bool:
        """Receive, after adding a thread if commands have waited long enough; returns whether there will be more."""
        with self.lock:
            looks_only, patience = self._may_reader_run, self._patience()
        if looks_only:
            patience = 0.0
        elif patience == 0.0:
            self.grow()
            patience = PATIENCE
        goes_on = self._receive() if patience is None or self._channel.wait(patience) else True
        self._received = monotonic()
        return goes_on

    def _patience(self) -> float | None:
        """Seconds that commands may still wait; None if another thread could not help; the lock is held."""
        if self._all_taken or not (self._for_reader or self._for_others):
            return None
        return max(0.0, self._progress + PATIENCE - monotonic())
