"""Which process runs which services: a slot for each host, whose process begins and ends with those who live there."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from signal import SIGABRT, SIGCONT, SIGKILL
from typing import Any, Protocol

from smanager.hosts.guard import Guard
from smanager.hosts.handle import Host, HostError

PING_SECONDS = 10.0
"""How often a host is asked whether it is there, where no watchdog of a service asks for more."""

PONG_SECONDS = 20.0
"""How long a host may take to answer; a busy box swaps for seconds, and nothing is lost by waiting."""

PINGS_A_WATCHDOG = 4
"""How often within a watchdog's time its host is asked."""

ABORT_SECONDS = 2.0
"""How long a hung host may take to write down its stacks before it is killed."""

EMPTY_SECONDS = 3.0
"""How long a host without services may take to end before it is killed."""

GROUP_SECONDS = 5.0
"""How long a killed process group may take to be gone; what waits for a dead disk does not end, and is left then."""

GROUP_POLL = 0.02
"""Seconds between two looks at such a group, of which nothing else tells."""


class Resident(Protocol):
    """A service that lives in a host."""

    @property
    def name(self) -> str: ...

    @property
    def watchdog(self) -> float:
        """Seconds of silence after which it hangs; 0: none."""

    def ready(self) -> None: ...

    def spawned(self, pid: int) -> None: ...

    def hangs(self, reason: str) -> None: ...

    def ended(self, reason: str | None, clean: bool, by_itself: bool = True) -> None: ...


class Slot:
    """A host's place: its process, while there is one, and who lives in it."""

    def __init__(self, key: str, log: Callable[[Slot, str | None, str], None], guard: Guard) -> None:
        self.key = key
        self._log = log
        self._guard = guard
        self.host: Host | None = None
        self.shut = False
        """Whether nobody may enter any more."""
        self.given_up_for = ""
        """The service because of which the process is being killed; it is no fault of those who share it."""
        self._residents: dict[str, Resident] = {}
        self._entering: set[str] = set()  # of the residents, those who wait for a process
        self._visitors = 0
        self._opening = asyncio.Lock()
        self._heart: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        return self.host.pid if self.host and not self.host.gone else 0

    @property
    def residents(self) -> list[str]:
        return list(self._residents)

    async def load(self, path: Path) -> dict[str, Any]:
        """What a host finds in a services file. Raises OSError and HostError."""
        self._visitors += 1
        try:
            return await (await self._open()).load(path)
        finally:
            self._visitors -= 1

    async def enter(self, resident: Resident) -> Host:
        """The host, for one who is going to live in it.

        Raises OSError where there is no process to be had, and HostError where the manager ends.
        """
        self._residents[resident.name] = resident
        self._entering.add(resident.name)
        try:
            host = await self._open()
        finally:
            self._entering.discard(resident.name)
        if resident.watchdog:
            self._begin_watch(host)  # it may be due sooner
        return host

    async def leave(self, resident: Resident) -> None:
        """It lives here no more; where it was the last, return when the process and its group are gone."""
        self._residents.pop(resident.name, None)
        await self.close_if_empty()

    async def close_if_empty(self) -> None:
        if not self._residents and not self._visitors:
            await self.close()

    async def close(self) -> None:
        """End the host, and return when its process and its group are gone."""
        host = self.host
        if host is None:
            return
        if not host.gone:
            host.end()
            if not (await asyncio.wait([host.exited], timeout=EMPTY_SECONDS))[0]:
                host.signal(SIGKILL)
                await asyncio.wait([host.exited], timeout=GROUP_SECONDS)
        if self.host is host:
            self.host = None
            await _group_gone(host.pid)

    async def abort(self, name: str) -> None:
        """End a host in which a service hangs, so that it writes down what each thread does, where it still can."""
        host = self.host
        if host is None or host.ending:
            return
        self.given_up_for = name
        host.ending = True
        with suppress(ProcessLookupError):
            os.kill(host.pid, SIGABRT)  # upon which faulthandler prints all stacks
        host.signal(SIGCONT)  # one that was stopped would not notice
        if not (await asyncio.wait([host.exited], timeout=ABORT_SECONDS))[0]:
            host.signal(SIGKILL)

    async def _open(self) -> Host:
        if self.shut:
            raise HostError("the manager ends")
        async with self._opening:
            if self.host is not None and self.host.ending:
                await self.host.exited
            if self.host is None or self.host.gone:
                host = Host(self.key, self)
                await host.spawn()
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
        """Ask the host again and again whether it, and each service with a watchdog, is alive."""
        while not host.gone:
            watched = {name: resident.watchdog for name, resident in self._residents.items() if resident.watchdog}
            interval = min([PING_SECONDS, *(seconds / PINGS_A_WATCHDOG for seconds in watched.values())])
            await asyncio.wait([host.exited], timeout=interval)
            if host.gone or host.ending:
                return
            patience = min([PONG_SECONDS, *watched.values()])
            try:
                silences = await host.ping(list(watched), patience)
            except TimeoutError:
                silences = {}
                for name in [name for name in (watched or self._residents) if name in self._residents]:
                    self._residents[name].hangs(f"its process has not answered for {patience:g} s")
                await self.abort("")
            for name in [name for name in watched if name in self._residents]:
                if (silence := silences.get(name, 0.0)) > watched[name]:
                    self._residents[name].hangs(f"its run gave no sign of life for {silence:.1f} s")

    # What the host reports, handed on to whom it is about.

    def log(self, service: str | None, line: str) -> None:
        self._log(self, service, line)

    def ready(self, service: str) -> None:
        if resident := self._residents.get(service):
            resident.ready()

    def spawned(self, service: str, pid: int) -> None:
        if resident := self._residents.get(service):
            resident.spawned(pid)

    def hung(self, service: str, reason: str) -> None:
        if resident := self._residents.get(service):
            resident.hangs(reason)

    def ended(self, service: str, reason: str | None, clean: bool) -> None:
        if resident := self._residents.get(service):
            resident.ended(reason, clean)

    def exited(self, reason: str, clean: bool) -> None:
        culprit = self.given_up_for
        for name, resident in list(self._residents.items()):
            if name in self._entering:  # an older process is no concern of theirs
                continue
            if culprit in ("", name):
                resident.ended(reason, clean)
            else:
                resident.ended("its process was ended because of another service in it", clean=False, by_itself=False)


class Pool:
    """All slots, each made when it is asked for."""

    def __init__(self, log: Callable[[Slot, str | None, str], None]) -> None:
        """`log` is given what is printed in a slot: a service's name, None for the process itself, and a line."""
        self._log = log
        self.guard = Guard()
        self._slots: dict[str, Slot] = {}
        self._shut = False

    def slot(self, key: str) -> Slot:
        if key not in self._slots:
            self._slots[key] = Slot(key, self._log, self.guard)
            self._slots[key].shut = self._shut
        return self._slots[key]

    def pids(self) -> list[int]:
        """The processes of all hosts."""
        return [slot.pid for slot in self._slots.values()]

    def shut(self) -> None:
        """Let nobody enter any more: the manager ends."""
        self._shut = True
        for slot in self._slots.values():
            slot.shut = True

    def kill(self) -> None:
        """End all hosts at once."""
        for slot in self._slots.values():
            if slot.host:
                slot.host.signal(SIGKILL)

    async def close(self) -> None:
        """End all hosts, and return when they are gone."""
        await asyncio.gather(*(slot.close() for slot in self._slots.values()))
        self.guard.end()

    async def close_empty(self) -> None:
        """End the hosts in which nobody lives."""
        await asyncio.gather(*(slot.close_if_empty() for slot in self._slots.values()))


async def _group_gone(pid: int) -> None:
    """Return when nothing is left of a process group whose leader has ended, and whose members have been killed."""
    for _ in range(int(GROUP_SECONDS / GROUP_POLL)):
        try:
            os.killpg(pid, 0)
        except (ProcessLookupError, PermissionError):
            return
        await asyncio.sleep(GROUP_POLL)
