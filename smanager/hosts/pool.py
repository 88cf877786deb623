"""Which process runs which services: a slot for each host, whose process begins and ends with its residents."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from math import inf
from pathlib import Path
from signal import SIGABRT, SIGCONT, SIGKILL
from time import monotonic
from typing import Any

from smanager.hosts.guard import Guard
from smanager.hosts.handle import Host, HostError
from smanager.hosts.inquiries import REFUSED, Answerer, Inquiry
from smanager.hosts.resident import Resident
from smanager.hosts.template import Template
from smanager.system import lineage
from smanager.system.patience import Patience, is_late
from smanager.system.processes import signal_group
from smanager.system.sockets import Sockets

PING_SECONDS = 10.0  # how often a host is pinged, unless a service's watchdog asks for more
PONG_SECONDS = 20.0  # how long a host may take to answer; a busy box swaps for seconds, and waiting costs nothing
PINGS_A_WATCHDOG = 4  # how often a host is pinged within the time of a service's watchdog
ABORT_SECONDS = 2.0  # how long a hung host may take to write down its stacks before it is killed
EMPTY_SECONDS = 3.0  # how long a host without services may take to end before it is killed
GROUP_SECONDS = 5.0  # for a killed process group to disappear; one that waits for a dead disk never does, and is left
GROUP_POLL = 0.02  # seconds between two looks at such a group, whose end the system does not report


class Slot:
    """A host's place: its process, while it runs, and the services that live in it."""

    def __init__(
        self,
        key: str,
        sockets: Sockets,
        log: Callable[[Slot, str | None, str], None],
        guard: Guard,
        template: Callable[[], Template],
        new_mark: Callable[[], int],
        answer: Callable[[], Answerer],
        state_dir: Path | None,
    ) -> None:
        """`template` is what makes hosts. `new_mark` returns the mark of another host, `answer` what answers the
        inquiries of services.
        """
        self.key = key
        self._sockets = sockets
        self.host: Host | None = None
        self.shut = False  # whether services may no longer enter
        self.given_up_for = ""  # the service because of which the process is killed; the others are not to blame
        self._log = log
        self._guard = guard
        self._template = template
        self._new_mark = new_mark
        self._answer = answer
        self._state_dir = state_dir
        self._residents: dict[str, Resident] = {}
        self._inhabitants: dict[str, None] = {}  # all that have lived in the present process, the first first
        self._entering: set[str] = set()  # residents that wait for a process
        self._visitors = 0
        self._opening = asyncio.Lock()
        self._heart: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        return self.host.pid if self.host and not self.host.gone else 0

    @property
    def residents(self) -> list[str]:
        return list(self._residents)

    @property
    def inhabitants(self) -> list[str]:
        """The services that live in the process, and those that have left: processes they started may still print."""
        return list(self._inhabitants)

    async def load(self, path: Path) -> dict[str, Any]:
        """What a host finds in a services file. Raises OSError and HostError."""
        self._visitors += 1
        try:
            return await (await self._open()).load(path)
        finally:
            self._visitors -= 1

    async def enter(self, resident: Resident) -> Host:
        """Make a service a resident. Raises OSError if the system cannot start a process, HostError at shutdown."""
        self._residents[resident.name] = resident
        self._entering.add(resident.name)
        try:
            host = await self._open()
        finally:
            self._entering.discard(resident.name)
        self._inhabitants[resident.name] = None
        if resident.watchdog:
            self._begin_watch(host)  # its first ping may be due sooner
        return host

    async def leave(self, resident: Resident) -> None:
        """Let a service leave; return when nothing is left of a process that is gone, or was the last one's."""
        self._residents.pop(resident.name, None)
        if self.host and self.host.gone:
            await asyncio.wait([self.host.exited])
        await self.close_if_empty()

    async def close_if_empty(self) -> None:
        if not self._residents and not self._visitors:
            await self.close()

    async def close(self) -> None:
        """End the host, and return when its process and its group are gone."""
        if (host := self.host) is None:
            return
        if not host.gone:
            host.end()
        if not (await asyncio.wait([host.exited], timeout=EMPTY_SECONDS))[0]:
            host.signal(SIGKILL)
            await asyncio.wait([host.exited], timeout=GROUP_SECONDS)
        if self.host is host:
            self.host = None
            deadline = monotonic() + GROUP_SECONDS
            while signal_group(host.pid, 0) and monotonic() < deadline:
                await asyncio.sleep(GROUP_POLL)

    async def abort(self, name: str) -> None:
        """End a host in which the service `name` hangs, after it has written down, if it can, what each thread does."""
        if (host := self.host) is None or host.ending:
            return
        self.given_up_for = name
        host.ending = True
        with suppress(ProcessLookupError):
            os.kill(host.pid, SIGABRT)  # makes faulthandler print all stacks
        host.signal(SIGCONT)  # a stopped process would not notice
        if not (await asyncio.wait([host.exited], timeout=ABORT_SECONDS))[0]:
            host.signal(SIGKILL)

    async def _open(self) -> Host:
        if self.shut:
            raise HostError("the manager is shutting down")
        async with self._opening:
            if self.host is not None and self.host.ending:
                await self.host.exited
            if self.host is None or self.host.gone:
                log = partial(self._log, self)
                host = Host(self.key, self._new_mark(), self._sockets, self._residents, log, self._answer, self._died)
                host.state_dir = self._state_dir
                self._inhabitants = {}
                await host.spawn(self._template())
                self._guard.watch(host.pid)
                self.given_up_for = ""
                host.exited.add_done_callback(lambda _: self._guard.forget(host.pid))
                self.host = host
                self._begin_watch(host)
            return self.host

    def _begin_watch(self, host: Host) -> None:
        if self._heart:
            self._heart.cancel()
        self._heart = asyncio.create_task(self._watch(host), name=f"watch {self.key}")

    async def _watch(self, host: Host) -> None:
        """Check again and again that the host, and each service with a watchdog, is alive."""
        on_time_since = -inf  # the last moment at which this process was found to have been late
        while not host.gone:
            watched = {name: resident.watchdog for name, resident in self._residents.items() if resident.watchdog}
            interval = min([PING_SECONDS, *(seconds / PINGS_A_WATCHDOG for seconds in watched.values())])
            began = monotonic()
            await asyncio.wait([host.exited], timeout=interval)
            if host.gone or host.ending:
                return
            was_late = is_late(interval, monotonic() - began)
            seconds = min([PONG_SECONDS, *watched.values()])
            patience = Patience(seconds)
            try:
                silences = await host.ping(list(watched), patience)
            except TimeoutError:
                silences = {}
                for name in [name for name in (watched or self._residents) if name in self._residents]:
                    self._residents[name].hangs(f"its process has not answered for {seconds:g} s")
                await self.abort("")
            if was_late or patience.was_late:
                on_time_since = monotonic()
            for name in [name for name in watched if name in self._residents]:
                silence = min(silences.get(name, 0.0), monotonic() - on_time_since)  # before, it may have been paused
                if silence > watched[name]:
                    self._residents[name].hangs(f"its run gave no sign of life for {silence:.1f} s")

    def _died(self, reason: str, clean: bool) -> None:
        culprit = self.given_up_for
        for name, resident in list(self._residents.items()):
            if name in self._entering:  # it waits for the next process
                continue
            if culprit in ("", name):
                resident.ended(reason, clean)
            else:
                resident.ended("its process was ended because of another service in it", clean=False, by_itself=False)


def _refuse(inquiry: Inquiry) -> None:
    inquiry.refuse(REFUSED, f"{inquiry.method}: the manager has not begun to answer services yet")


class Pool:
    """All slots, each made when it is first needed."""

    def __init__(self, sockets: Sockets, log: Callable[[Slot, str | None, str], None]) -> None:
        """`log` is given a slot, the service that printed a line there (None: the process itself), and the line."""
        self._sockets = sockets
        self._log = log
        self._mark = lineage.new_manager()
        self._numbers = itertools.count()  # of all hosts
        self.guard = Guard(self._mark)
        self.template = Template()
        self._slots: dict[str, Slot] = {}
        self.when_grown: Callable[[int], object] = lambda slots: None
        """Called with the number of slots when there is one more. None ever goes: its service may come back."""
        self.answer: Answerer = _refuse
        """Answers the inquiries of services."""
        self.state_dir: Path | None = None
        """The manager's state directory, where services may keep what is theirs."""
        self._shut = False

    def slot(self, key: str) -> Slot:
        if key not in self._slots:
            self._slots[key] = Slot(
                key,
                self._sockets,
                self._log,
                self.guard,
                lambda: self.template,
                self._new_mark,
                lambda: self.answer,
                self.state_dir,
            )
            self._slots[key].shut = self._shut
            self.when_grown(len(self._slots))
        return self._slots[key]

    def _new_mark(self) -> int:
        return lineage.of_host(self._mark, next(self._numbers))

    def pids(self) -> list[int]:
        """The process ids of all hosts; 0 for a slot without one."""
        return [slot.pid for slot in self._slots.values()]

    def shut(self) -> None:
        """Let no more services enter: the manager is shutting down."""
        self._shut = True
        for slot in self._slots.values():
            slot.shut = True

    def kill(self) -> None:
        for slot in self._slots.values():
            if slot.host:
                slot.host.signal(SIGKILL)

    async def close(self) -> None:
        await asyncio.gather(*(slot.close() for slot in self._slots.values()))
        self.template.end()
        self.guard.end()

    async def close_empty(self) -> None:
        await asyncio.gather(*(slot.close_if_empty() for slot in self._slots.values()))
