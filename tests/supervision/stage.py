"""A manager on a stage: its hosts are stand-ins, its time jumps, and a script says what happens to the services.

A script is text, one event on a line: seconds, and then
- a request to the manager: `start web`, `stop web`, `restart web`, `restart`, `reload`, `finish`, `finish within 9`;
- a change of the configuration or of a services file: `set web restart=never`, `unset web`, `edit pair.py`;
- what a service does: `web exits 3`, `web hangs`, `web dies` (its host is killed);
- or how it behaves from then on: `web crashes` (a second after each time that it gets ready), `web sleeps 5` (before it
  is ready), `web lingers 5` (when it is stopped), `web resists` (does not stop by itself), `web freezes` (nor does its
  host stop it), `web behaves`.

`play` returns the stage, which has the events of the services, and what the requester was told, each with its second.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import Any, cast

from smanager.access.audit import Audit
from smanager.access.callers import Caller
from smanager.access.origin import CONSOLE, MANAGER
from smanager.access.roles import Roles
from smanager.commands.record import CommandError
from smanager.config.file import ConfigError, ServicesConfig
from smanager.hosts.handle import HostError
from smanager.hosts.pool import Pool
from smanager.hosts.resident import Resident
from smanager.hosts.source import fingerprint
from smanager.supervision.catalogue import Catalogue
from smanager.supervision.manager import Manager
from smanager.supervision.reports import Report
from smanager.supervision.storage import Storage
from smanager.system.outbox import Outbox
from tests.supervision.clock import run

SPAWN_SECONDS = 0.25
READY_SECONDS = 0.25
STOP_SECONDS = 0.25
KILL_SECONDS = 5.0
CRASH_SECONDS = 1.0

FIRST_PID = 2**30
"""Beyond the largest process id of any system: what is sent to these processes reaches no real one."""

CONFIGURATION = Path("smanager.toml")

Settings = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Behaviour:
    """How a service behaves."""

    ready_after: float = READY_SECONDS
    stopped_after: float = STOP_SECONDS
    crashes: bool = False
    resists: bool = False
    freezes: bool = False


class StandInHost:
    """A host whose services do what the script says."""

    def __init__(self, stage: Stage, slot: StandInSlot) -> None:
        self._stage = stage
        self._slot = slot
        self._loop = asyncio.get_running_loop()
        self.pid = next(stage.pids)
        self.ending = False
        self.exited = asyncio.Event()
        self._programs: set[str] = set()

    @property
    def gone(self) -> bool:
        return self.exited.is_set()

    async def load(self, path: Path) -> dict[str, Any]:
        await asyncio.sleep(0)
        if self.gone:
            raise HostError("its host died while it was imported")
        return self._stage.file(path)

    def start(self, name: str, source: Path | None, title: str, given: Mapping[str, Any]) -> None:
        assert name not in self._stage.lives, f"{name} lives twice"
        if self.gone:
            return
        self._stage.lives[name] = self
        if source is None:
            self._programs.add(name)
            self._resident(name).spawned(next(self._stage.pids))
        self._later(self._stage.behaviours[name].ready_after, name, self._ready)

    def stop(self, name: str) -> None:
        behaviour = self._stage.behaviours[name]
        if name in self._programs and behaviour.resists:
            killed = f"killed, because it did not stop within {KILL_SECONDS:g} s"
            self._later(KILL_SECONDS, name, lambda name: self.life_ends(name, killed, clean=False))
        elif not (behaviour.resists or behaviour.freezes):
            self._later(behaviour.stopped_after, name, lambda name: self.life_ends(name, None, clean=True))

    def end(self) -> None:
        self.ending = True
        for name in self.services():
            self.stop(name)
        self._exit_if_empty()

    def signal_program(self, name: str, number: int) -> None:
        if number == SIGKILL and name in self.services():
            self.life_ends(name, None, clean=True)

    def signal(self, number: int) -> None:
        if number == SIGKILL or (number == SIGTERM and not self.services()):
            self.dies("killed by SIGKILL")

    def life_ends(self, name: str, reason: str | None, clean: bool) -> None:
        del self._stage.lives[name]
        self._resident(name).ended(reason, clean)
        self._exit_if_empty()

    def dies(self, reason: str, clean: bool = False) -> None:
        if not self.gone:
            for name in self.services():
                del self._stage.lives[name]
            self.exited.set()
            self._slot.exited(f"its host died: {reason}", clean)

    def services(self) -> list[str]:
        """The services that live here."""
        return [name for name, host in self._stage.lives.items() if host is self]

    def _ready(self, name: str) -> None:
        self._resident(name).ready()
        if self._stage.behaviours[name].crashes:
            self._later(CRASH_SECONDS, name, lambda name: self.life_ends(name, "exit status 1", clean=False))

    def _later(self, seconds: float, name: str, happens: Any) -> None:
        """What happens to a life after some time, unless the life has ended by then."""
        self._loop.call_later(seconds, lambda: happens(name) if self._stage.lives.get(name) is self else None)

    def _exit_if_empty(self) -> None:
        if self.ending and not self.services():
            self._loop.call_soon(self.dies, "exit status 0", True)

    def _resident(self, name: str) -> Resident:
        return self._slot.lodgers[name]


class StandInSlot:
    """The place of a host: keeps to what `hosts.pool.Slot` promises."""

    def __init__(self, stage: Stage, key: str) -> None:
        self.key = key
        self.shut = False
        self.given_up_for = ""
        self.host: StandInHost | None = None
        self.lodgers: dict[str, Resident] = {}
        self._stage = stage
        self._entering: set[str] = set()
        self._opening = asyncio.Lock()
        self._visitors = 0

    @property
    def pid(self) -> int:
        return self.host.pid if self.host and not self.host.gone else 0

    @property
    def residents(self) -> list[str]:
        return list(self.lodgers)

    async def load(self, path: Path) -> dict[str, Any]:
        self._visitors += 1
        try:
            return await (await self._open()).load(path)
        finally:
            self._visitors -= 1

    async def enter(self, resident: Resident) -> StandInHost:
        self.lodgers[resident.name] = resident
        self._entering.add(resident.name)
        try:
            return await self._open()
        finally:
            self._entering.discard(resident.name)

    async def leave(self, resident: Resident) -> None:
        self.lodgers.pop(resident.name, None)
        await self.close_if_empty()

    async def close_if_empty(self) -> None:
        if self.host and not self.lodgers and not self._visitors:
            host = self.host
            host.end()
            await host.exited.wait()
            if self.host is host:
                self.host = None

    async def abort(self, name: str) -> None:
        if self.host and not self.host.ending:
            self.given_up_for = name
            self.host.ending = True
            self.host.dies("killed by SIGABRT")

    def exited(self, reason: str, clean: bool) -> None:
        for name, resident in list(self.lodgers.items()):
            if name not in self._entering:
                if self.given_up_for in ("", name):
                    resident.ended(reason, clean)
                else:
                    because = "its process was ended because of another service in it"
                    resident.ended(because, clean=False, by_itself=False)

    async def _open(self) -> StandInHost:
        if self.shut:
            raise HostError("the manager ends")
        async with self._opening:
            if self.host and self.host.ending:
                await self.host.exited.wait()
            if self.host is None or self.host.gone:
                await asyncio.sleep(SPAWN_SECONDS)
                self.host = StandInHost(self._stage, self)
                self.given_up_for = ""
            return self.host


class StandInPool:
    """The slots; itself its guard, which has nothing to guard."""

    def __init__(self, stage: Stage) -> None:
        self.guard = self
        self._stage = stage
        self._slots: dict[str, StandInSlot] = {}

    def begin(self) -> None: ...

    def slot(self, key: str) -> StandInSlot:
        return self._slots.setdefault(key, StandInSlot(self._stage, key))

    def hosts(self) -> list[StandInHost]:
        return [slot.host for slot in self._slots.values() if slot.host and not slot.host.gone]

    def shut(self) -> None:
        for slot in self._slots.values():
            slot.shut = True

    def kill(self) -> None:
        for host in self.hosts():
            host.signal(SIGKILL)

    async def close(self) -> None:
        self.kill()

    async def close_empty(self) -> None:
        await asyncio.gather(*(slot.close_if_empty() for slot in self._slots.values()))


class Stage:
    """A manager with its stand-ins, and what has happened."""

    def __init__(self, programs: Settings, classes: Mapping[Path, Settings], chance: float) -> None:
        """`classes` are the settings of services by their files, which exist; all other services are programs."""
        self.lives: dict[str, StandInHost] = {}
        self.pids = itertools.count(FIRST_PID)
        self.events: list[str] = []
        self.reports: list[str] = []
        self._classes = classes
        names = [*programs, *(name for settings in classes.values() for name in settings)]
        self.behaviours = dict.fromkeys(names, Behaviour())
        directories = tuple({path.parent for path in classes})
        given = {name: {"program": [name], **settings} for name, settings in programs.items()}
        self.wanted = ServicesConfig(directories, given, path=CONFIGURATION)
        self.pool = StandInPool(self)
        outbox = Outbox()
        self.manager = Manager(
            Catalogue(self.wanted, reserved=()),
            Storage(None),
            lambda: self.wanted,
            outbox,
            Audit(outbox, None),
            Roles({}, own=()),
            make_pool=lambda sockets, log: cast("Pool", self.pool),
            chance=lambda: chance,
        )
        self.manager.events.follow(lambda event: self._happened(event.service, event.text))
        self._requests: list[asyncio.Task[None]] = []

    def file(self, path: Path) -> dict[str, Any]:
        """What a host reports of a services file."""
        described = {"doc": "", "line": 1, "commands": [], "is_program": False}
        services = [
            {**described, "name": name, "title": name, "given": dict(given)}
            for name, given in self._classes[path].items()
        ]
        return {"services": services, "problems": [], "fingerprint": fingerprint(path)}

    def history(self, since: float = 0.0) -> str:
        """The events of all services from a second on, one on a line."""
        return "\n".join(event for event in self.events if float(event.split()[0]) >= since)

    async def perform(self, script: str, until: float) -> None:
        """Have the manager begin, and the script's lines happen at their times; end with the requests at `until`."""
        self._request(self.manager.begin(Caller(MANAGER)))
        for line in filter(str.strip, script.splitlines()):
            when, *words = line.split()
            await self._sleep_until(float(when))
            self._act(words)
        await self._sleep_until(until)
        assert all(request.done() for request in self._requests), f"some requests wait for ever: {self._requests}"

    def _act(self, words: Sequence[str]) -> None:
        manager, by = self.manager, Caller(CONSOLE)
        match words:
            case ["start" | "stop" | "restart" as verb, name]:
                if name in manager.keepers:
                    self._request(getattr(manager, verb)([manager.keepers[name]], by, self._tell))
            case ["restart"]:
                self._request(manager.restart_all(by, self._tell))
            case ["reload"]:
                self._request(manager.reload(by, self._tell))
            case ["finish", *within]:
                seconds = float(within[1]) if within else None
                manager.catalogue.configuration = self.wanted._replace(shutdown_timeout=seconds)
                self._request(manager.finish())
            case ["set", name, *settings]:
                changed = {key: read(value) for key, value in (setting.split("=") for setting in settings)}
                new = {} if any(name in settings for settings in self._classes.values()) else {"program": [name]}
                given = {**self.wanted.settings.get(name, new), **changed}
                self.wanted = self.wanted._replace(settings={**self.wanted.settings, name: given})
                self.behaviours.setdefault(name, Behaviour())
            case ["unset", name]:
                left = {other: given for other, given in self.wanted.settings.items() if other != name}
                self.wanted = self.wanted._replace(settings=left)
            case ["edit", name]:
                for path in self._classes:
                    if path.name == name:
                        path.write_text(f"{path.read_text()}# edited\n")
            case [name, "crashes"]:
                self.behaviours[name] = Behaviour(crashes=True)
            case [name, "sleeps", seconds]:
                self.behaviours[name] = Behaviour(ready_after=float(seconds))
            case [name, "lingers", seconds]:
                self.behaviours[name] = Behaviour(stopped_after=float(seconds))
            case [name, "resists"]:
                self.behaviours[name] = Behaviour(resists=True)
            case [name, "freezes"]:
                self.behaviours[name] = Behaviour(freezes=True)
            case [name, "behaves"]:
                self.behaviours[name] = Behaviour()
            case [name, *_] if name not in self.lives:
                pass
            case [name, "exits", status]:
                self.lives[name].life_ends(name, f"exit status {status}", clean=status == "0")
            case [name, "hangs"]:
                manager.keepers[name].hangs("no answer")
            case [name, "dies"]:
                self.lives[name].dies("killed by SIGKILL")
            case _:
                raise ValueError(f"{words} is not an event of a script")

    def _request(self, work: Any) -> None:
        async def request() -> None:
            try:
                await work
            except (CommandError, ConfigError) as error:
                self.reports.append(f"{self._now()} {error}")

        self._requests.append(asyncio.ensure_future(request()))

    def _tell(self, report: Report) -> None:
        self.reports.append(f"{self._now()} {report}")

    def _happened(self, service: str, text: str) -> None:
        self.events.append(f"{self._now()} {service}: {text}")
        keeper = self.manager.keepers.get(service)
        if keeper and keeper.state.down:
            assert service not in self.lives, f"{service} is {keeper.state.value}, and lives"

    def _now(self) -> str:
        return f"{asyncio.get_running_loop().time():.2f}"

    @staticmethod
    async def _sleep_until(when: float) -> None:
        await asyncio.sleep(max(0.0, when - asyncio.get_running_loop().time()))


def read(value: str) -> object:
    """A setting in a script: `yes`, `no`, a number, names in `[a,b]`, or a word."""
    if value.startswith("["):
        return list(filter(None, value[1:-1].split(",")))
    if value in ("yes", "no"):
        return value == "yes"
    return int(value) if value.isdecimal() else value


def play(
    programs: Settings,
    script: str,
    until: float = 60.0,
    classes: Mapping[Path, Settings] | None = None,
    chance: float = 0.0,
) -> Stage:
    """Perform a script; returns the stage as it is at the end."""

    async def perform() -> Stage:
        stage = Stage(programs, classes or {}, chance)
        await stage.perform(script, until)
        return stage

    return run(perform())
