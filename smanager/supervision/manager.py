"""Keeps the services up: finds them, starts them in their order, has them kept, and stops them when asked."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from smanager.access.audit import Audit
from smanager.access.callers import Caller
from smanager.access.roles import Roles
from smanager.commands.record import CommandError
from smanager.config.file import Services
from smanager.hosts.handle import HostError
from smanager.hosts.pool import Pool, Slot
from smanager.supervision.catalogue import Catalogue, Service, ServicesFile
from smanager.supervision.discovery import Discovery
from smanager.supervision.group import Tell, Together
from smanager.supervision.jobs import Jobs
from smanager.supervision.keeper import Keeper
from smanager.supervision.order import Dependencies
from smanager.supervision.recorder import Journal
from smanager.supervision.reload import Change, Plan, changes
from smanager.supervision.sessions import Sessions
from smanager.supervision.states import State
from smanager.supervision.stopped import Stops
from smanager.supervision.storage import Storage

READY_SECONDS = 5.0
"""How long the start of the program waits for services to be ready before it goes on without."""

STOP_SECONDS = 30.0
"""How long all services together may take to stop before what is left is killed."""

PROGRAMS = "programs"
"""The host of the programs that the configuration alone knows, all of them: each costs a process already."""

log = logging.getLogger("smanager")


class IncompleteError(CommandError):
    """A reload of which some could not be done."""


class Manager:
    """Starts, keeps, calls, restarts and stops what the catalogue lists. No service code runs in it."""

    def __init__(
        self, catalogue: Catalogue, storage: Storage, read_services: Callable[[], Services], audit: Audit, roles: Roles
    ) -> None:
        """`read_services` reads the configuration anew, and raises ConfigError."""
        self.catalogue = catalogue
        self._read_services = read_services
        self._storage = storage
        self._journal = Journal(storage.directory)
        self._stops = Stops(storage)
        self.end = asyncio.Event()
        """Set when somebody wants the whole server to end."""
        self.failed = ""
        """The service whose failure ends the server."""
        self.events = self._journal.events
        self.keepers: dict[str, Keeper] = {}
        self.dependencies = Dependencies(catalogue, self.keepers)
        self._together = Together(catalogue, self.keepers, self.dependencies, self._stops)
        self.jobs = Jobs()
        self.sessions = Sessions()
        self.roles = roles
        self.audit = audit
        self.when_reloaded: Callable[[Tell], Sequence[str]] = lambda tell: ()
        """Told of each reload that is possible, to do what it means elsewhere; returns what cannot be done."""
        self.pool = Pool(self._log_line)
        self._discovery = Discovery(catalogue, self.pool)
        self._changing = asyncio.Lock()  # one reload, or restart of everything, at a time: files come and go there

    # The program's own start and end.

    async def begin(self, by: Caller) -> None:
        """Find and start all services; returns when they are up, after READY_SECONDS, or at the end."""
        self.audit.write("manager started", by=str(by))
        self.pool.guard.begin()
        self.catalogue.list_files(self.catalogue.find_files())
        starting = asyncio.ensure_future(self._find_and_start(self.catalogue.files.values(), by))
        end = asyncio.ensure_future(self.end.wait())
        starting.add_done_callback(report_mistake)
        done, _ = await asyncio.wait([starting, end], timeout=READY_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        end.cancel()
        if not done:
            late = [file.path.name for file in self.catalogue.files.values() if not file.adopted.is_set()]
            late += [keeper.name for keeper in self.keepers.values() if keeper.state is State.STARTING]
            log.warning("not ready after %g s, and gone on without: %s", READY_SECONDS, ", ".join(late))

    async def finish(self) -> None:
        """Stop all services, those first that others do not need; none is left after STOP_SECONDS."""
        self.pool.shut()
        stopping = asyncio.ensure_future(
            self._together.stop(list(self.keepers.values()), Caller("the manager's end"), lambda text: None)
        )
        if not (await asyncio.wait([stopping], timeout=STOP_SECONDS))[0]:
            log.warning("not all services have stopped within %g s; they are killed", STOP_SECONDS)
            self.pool.kill()
        await self.pool.close()
        await asyncio.to_thread(self._journal.close)
        self.audit.write("manager stopped")
        self.audit.close()
        self._storage.close()

    async def check(self) -> None:
        """Import and describe every services file, and start nothing."""
        self.catalogue.list_files(self.catalogue.find_files())
        await asyncio.gather(*map(self._discovery.discover, self.catalogue.files.values()))
        self.catalogue.check_configuration()
        await self.pool.close_empty()

    # What people ask for.

    async def start(self, keepers: Sequence[Keeper], by: Caller, tell: Tell) -> None:
        """Start services and those that they need; `tell` is told of each when it is up, or will not be."""
        starting = self.dependencies.needed(keepers)
        self._stops.remove(keeper.name for keeper in starting)
        await asyncio.gather(self._stops.write(), self._together.start(starting, by, tell))

    async def stop(self, keepers: Sequence[Keeper], by: Caller, tell: Tell) -> None:
        """Stop services, and before them those that need them; `tell` is told of each that is down."""
        stopping = self.dependencies.stopped_with(keepers)
        self._stops.add(keeper.name for keeper in stopping)
        problem, _ = await asyncio.gather(self._stops.write(), self._together.stop(stopping, by, tell))
        if problem:
            tell(f"*** they will be started again with the manager: {problem}")

    async def restart(self, keepers: Sequence[Keeper], by: Caller, tell: Tell) -> None:
        """Stop services, those that need them and those that share their processes; start again what ran."""
        affected = self.dependencies.stopped_with(self.dependencies.sharing(keepers))
        ran = [keeper for keeper in affected if keeper in keepers or not keeper.down.is_set()]
        self._stops.remove(keeper.name for keeper in ran)
        await asyncio.gather(self._stops.write(), self._together.stop(affected, by, lambda text: None))
        await self._together.start(ran, by, tell)

    async def restart_all(self, by: Caller, tell: Tell) -> None:
        """Stop each file's services, look what is in it now, and start what should run; files may be new, or gone.

        Raises CommandError where a services directory cannot be read; then everything goes on as it was.
        """
        async with self._changing:
            found = self.catalogue.find_files()
            before = list(self.keepers.values())

            async def restart(file: ServicesFile) -> None:
                keepers = [keeper for keeper in before if keeper.service.file is file]
                await asyncio.gather(*(self._together.stop_one(keeper, before, by) for keeper in keepers))
                if file.path in found:
                    await self._find_and_start([file], by, tell)

            files = {**self.catalogue.files, **found}
            for file in files.values():
                file.adopted.clear()  # nothing in it is up before it has been
            restarting = asyncio.gather(*map(restart, files.values()))
            self.catalogue.list_files(found)
            await restarting
            for keeper in list(self.keepers.values()):
                if self.catalogue.services.get(keeper.name) is not keeper.service:
                    self._forget(keeper)

    async def load(self, file: ServicesFile, by: Caller, tell: Tell) -> None:
        """Try a file again that could not be loaded."""
        async with self._changing:
            await self._find_and_start([file], by, tell)

    def forward(self, number: signal.Signals) -> None:
        """Send a signal to all programs."""
        for keeper in self.keepers.values():
            if keeper.service.is_program:
                keeper.send_signal(number)

    def lost_lines(self, name: str) -> int:
        """Lines of a service's output that its file lacks, for they could not be written as fast, or at all."""
        return self._journal.lost(name)

    def wanted(self) -> list[Keeper]:
        """The services that should run."""
        return [keeper for keeper in self.keepers.values() if self._is_wanted(keeper.service)]

    def _is_wanted(self, service: Service) -> bool:
        return service.settings.enabled and service.name not in self._stops

    async def plan(self) -> Plan:
        """What `reload` would do. Raises ConfigError and CommandError where something is wrong."""
        wanted = self._read_services()
        files = self.catalogue.find_files(wanted)
        found = [self._as_asked(change) for change in changes(self.catalogue, wanted, files)]
        loaded = [change.file for change in found if change.verb == "load"]
        await asyncio.gather(*(self._discovery.try_file(file, wanted) for file in loaded))
        told = {change.name for change in found}
        found += [
            Change("restart", keeper.name, keeper.service.file, "it needs what is stopped, or shares its process")
            for keeper in self._restarted(found)
            if keeper.name not in told and keeper.service.file not in loaded and not keeper.down.is_set()
        ]
        return Plan(wanted, files, found)

    def _as_asked(self, change: Change) -> Change:
        """What somebody has stopped is not started by a file."""
        if change.verb in ("start", "restart") and change.name in self._stops:
            return replace(change, verb="change", why=f"{change.why}, and stays stopped, as was asked")
        return change

    async def reload(self, by: Caller, tell: Tell) -> None:
        """Bring all to what is wanted now, restarting only what has to be; `tell` is told of each change.

        Raises as `plan` does, and has done nothing then; and IncompleteError, where all is done but what that tells.
        """
        async with self._changing:
            wanted, files, found = await self.plan()
            for change in found:
                tell(str(change))
            if self.roles.renew(wanted.roles):
                tell("the roles have changed")
                self.catalogue.publish()
            problems = self.when_reloaded(tell)  # before what may take long: who has lost a right has lost it
            gone = self._concerned(found, "remove")
            again = self._restarted(found)
            files_again = [change.file for change in found if change.verb == "load"]
            meant = self._concerned(found, "restart")
            ran = [
                keeper
                for keeper in again
                if keeper not in gone
                and keeper.service.file not in files_again
                and (keeper in meant or not keeper.down.is_set())
            ]
            stopping = dict.fromkeys([*again, *gone, *self._concerned(found, "stop")])
            await self._together.stop(list(stopping), by, lambda text: None)
            for keeper in gone:
                self._forget(keeper)
            self.catalogue.reconfigure(wanted, files)
            for service in self.catalogue.services.values():
                self._keep(service)
            await self._together.start([*ran, *self._concerned(found, "start")], by, tell)
            await self._find_and_start(files_again, by, tell)
            if problems:
                raise IncompleteError("; ".join(problems))

    def _concerned(self, found: Iterable[Change], verb: str) -> list[Keeper]:
        names = dict.fromkeys(change.name for change in found if change.verb == verb)
        return [self.keepers[name] for name in names if name in self.keepers]

    def _restarted(self, found: Iterable[Change]) -> list[Keeper]:
        """All that has to be stopped for a while: what is restarted or loaded anew, and what that draws in."""
        files = [change.file for change in found if change.verb == "load"]
        loaded = [keeper for keeper in self.keepers.values() if keeper.service.file in files]
        ending = [*self._concerned(found, "stop"), *self._concerned(found, "remove")]
        again = self.dependencies.sharing([*self._concerned(found, "restart"), *loaded])
        return [keeper for keeper in self.dependencies.stopped_with([*again, *ending]) if keeper not in ending]

    # What keepers ask for and report.

    def loaded(self, service: Service, report: dict[str, Any]) -> None:
        """A new process has found this in the service's file. Raises HostError where the service is not in it."""
        file = service.file
        if report["problems"] and not report["services"]:
            self.catalogue.cannot_load(file, "; ".join(report["problems"]), report["fingerprint"])
            raise HostError(file.problems[0])
        self.catalogue.adopt(file, report)
        for found in file.services:
            self._keep(found)
        if service not in file.services:
            asyncio.get_running_loop().call_soon(self._forget, self.keepers[service.name])
            raise HostError(next(iter(file.problems), f"{file.path} has no such service any more"))

    def _forget(self, keeper: Keeper) -> None:
        """Its service is gone: nothing is left to be kept up."""
        keeper.retire()
        if self.keepers.get(keeper.name) is keeper:
            del self.keepers[keeper.name]
            self._journal.happened(keeper.name, "not there any more", logging.DEBUG)

    def changed(self, keeper: Keeper, text: str) -> None:
        """A service is in another state: remember it, and let those that wait for it look again."""
        serious = keeper.state in (State.BACKOFF, State.FAILED, State.HUNG)
        self._journal.happened(keeper.name, text, logging.WARNING if serious else logging.DEBUG)
        if keeper.state is State.FAILED and keeper.name in self.catalogue.configuration.exit_on:
            self.failed = keeper.name
            self.end.set()
        self._together.look_again()

    # What those are made of.

    async def _find_and_start(self, files: Iterable[ServicesFile], by: Caller, tell: Tell = lambda text: None) -> None:
        async def find_and_start(file: ServicesFile) -> None:
            await self._discovery.discover(file)
            for service in file.services:  # also of a file that could not be loaded now, and was before
                self._keep(service)
            services = list(filter(self._is_wanted, file.services))
            for service in file.services:
                if service.state is State.STOPPED and not service.reason and service not in services:
                    service.reason = "as was asked before" if service.settings.enabled else "not enabled"
            await self._together.start([self.keepers[service.name] for service in services], by, tell)

        files = list(files)
        for file in files:  # a class may have moved from one to another
            file.adopted.clear()
        await asyncio.gather(*map(find_and_start, files))
        self._check_configuration(tell)
        await self.pool.close_empty()

    def _check_configuration(self, tell: Tell) -> None:
        for problem in self.catalogue.check_configuration():
            log.warning("%s", problem)
            tell(problem)

    def _keep(self, service: Service) -> None:
        """Have a keeper for a service, in the slot that its settings say; one that runs stays where it is."""
        named = f"host {service.settings.host}" if service.settings.host else ""
        slot = self.pool.slot(named or (str(service.file.path) if service.file.is_code else PROGRAMS))
        keeper = self.keepers.get(service.name)
        if keeper and keeper.service is not service:  # it was in another file before
            self._forget(keeper)
            keeper = None
        if keeper is None:
            self.keepers[service.name] = Keeper(service, slot, self)
        elif keeper.down.is_set():
            keeper.slot = slot

    def _log_line(self, slot: Slot, name: str | None, line: str) -> None:
        """A service, or where `name` is None its process, has printed a line."""
        names = [name] if name else slot.residents
        services = [self.catalogue.services[resident] for resident in names if resident in self.catalogue.services]
        self._journal.line("+".join(names) or Path(slot.key).name, services, line)


def report_mistake(task: asyncio.Future[None]) -> None:
    """Log what nobody waits for."""
    if not task.cancelled() and (error := task.exception()):
        log.error("a mistake in SManager", exc_info=error)
