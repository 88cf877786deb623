"""Wires the supervision together, and takes the requests of callers: what a shell or a program is handed."""

from __future__ import annotations

import asyncio
import logging
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from math import inf
from pathlib import Path

from smanager.access.audit import Audit
from smanager.access.callers import Caller
from smanager.access.origin import SHUTDOWN
from smanager.access.roles import Roles
from smanager.config.file import ServicesConfig
from smanager.hosts.pool import Pool, Slot
from smanager.logs.history import EventLine, Happening, LogLine, SharedLine
from smanager.logs.logfiles import LogFiles
from smanager.logs.manager_log import SERVICES
from smanager.logs.past import Past
from smanager.logs.runs import Limits, Runs
from smanager.supervision.catalogue import Catalogue, ServicesFile
from smanager.supervision.discovery import Discovery
from smanager.supervision.group import Group
from smanager.supervision.jobs import Jobs
from smanager.supervision.keeper import Keeper, log_error
from smanager.supervision.patterns import warn_of_patterns
from smanager.supervision.reload import LookElsewhere, Reload, nothing_elsewhere
from smanager.supervision.reports import Notice, Tell, ignore_report
from smanager.supervision.sessions import Sessions
from smanager.supervision.states import State
from smanager.supervision.storage import LOOK_SECONDS, StoppedServices, Storage, StorageError
from smanager.supervision.tally import LoopLag
from smanager.system.moments import Moment
from smanager.system.outbox import Outbox
from smanager.system.sockets import Sockets
from smanager.system.turns import Turns
from smanager.terminal.text import visible

READY_SECONDS = 5.0  # how long `begin` waits for the services to be ready

END_SECONDS = 30.0
"""How much longer than the services' own times all hosts may take to end before the remaining ones are killed."""

log = logging.getLogger("smanager")
printed = logging.getLogger(SERVICES)


class Manager:
    """Starts, calls, restarts and stops the services in the catalogue. No service code runs in its process."""

    def __init__(
        self,
        catalogue: Catalogue,
        storage: Storage,
        read_services: Callable[[], ServicesConfig],
        outbox: Outbox,
        audit: Audit,
        roles: Roles,
        make_pool: Callable[[Sockets, Callable[[Slot, str | None, str], None]], Pool] = Pool,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`read_services` reads the configuration anew, and raises ConfigError; `make_pool` makes the pool of hosts,
        given a function that takes their output; `chance` returns a number from 0 to 1.
        """
        self.catalogue = catalogue
        self.roles = roles
        self.turns = Turns()
        self.sockets = Sockets(outbox, self.turns)
        self.audit = audit
        self.runs = Runs(storage.directory, self._run_limits)
        self.jobs = Jobs(self.runs, audit, lambda: self.catalogue.configuration.runs)
        self.sessions = Sessions()
        self.lag = LoopLag()
        self.since = Moment()
        self._past = Past(storage.directory)
        self.events = self._past.events
        self.end = asyncio.Event()
        """Set when the manager should end."""
        self.failed = ""
        """The service whose failure ends the manager."""
        self.look_elsewhere: LookElsewhere = nothing_elsewhere
        """Finds what a reload changes outside of the supervision."""
        self.pool = make_pool(self.sockets, self._log_line)
        self.pool.state_dir = storage.directory
        self._storage = storage
        self._keeping: asyncio.Task[None] | None = None
        self._log_files = LogFiles(storage.directory) if storage.directory else None
        self.lost_lines = self._log_files.lost if self._log_files else Counter[str]()
        """By service, the number of lines missing from its log file, which could not take them, or not fast enough."""
        self._stopped = StoppedServices(storage.directory)
        self._group = Group(catalogue, self.pool, self._stopped, self._past, self._happened, chance)
        self.keepers = self._group.keepers
        self.order = self._group.order
        self._discovery = Discovery(catalogue, self.pool, self._group)
        self._reload = Reload(catalogue, self._group, self._discovery, roles, read_services)
        self._changing = asyncio.Lock()  # files come and go in a reload and a restart of everything: one at a time

    # The manager's own start and end.

    async def begin(self, by: Caller) -> None:
        """Find and start all services; returns once they are up, after READY_SECONDS, or when `end` is set."""
        self.audit.started(by)
        if self._storage.directory:
            self._keeping = asyncio.create_task(self._keep_storage(), name="storage")
        self.pool.guard.begin()
        await self.runs.begin()
        self.catalogue.list_files(self.catalogue.find_files())
        starting = asyncio.create_task(self._start_all(by), name="start")
        end = asyncio.create_task(self.end.wait())
        starting.add_done_callback(log_error)
        done, _ = await asyncio.wait([starting, end], timeout=READY_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        end.cancel()
        if not done:
            late = [file.path.name for file in self.catalogue.files.values() if not file.adopted.is_set()]
            late += [keeper.name for keeper in self.keepers.values() if keeper.state is State.STARTING]
            log.warning("not ready within %g s, continuing without: %s", READY_SECONDS, ", ".join(late))

    async def _keep_storage(self) -> None:
        """Make the state directory again whenever it was deleted, and tell of it."""
        told = ""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                if not self._storage.is_gone():
                    continue
                self._storage.make_again()
                self._past.write_again()
                problem = await self._stopped.write_again()
                log.warning("the state directory %s was deleted, and is made again", self._storage.directory)
            except (OSError, StorageError) as error:
                problem = str(error)
            if problem and problem != told:
                log.error("%s", problem)
            told = problem

    @property
    def directory(self) -> Path | None:
        """The state directory."""
        return self._storage.directory

    def _run_limits(self) -> Limits:
        settings = self.catalogue.configuration.runs
        return Limits(settings.most, settings.size)

    @property
    def end_seconds(self) -> float:
        """How long the services may take to stop at the manager's end, by their own times and by `shutdown_timeout`."""
        own = self.order.stop_seconds(list(self.keepers.values()))
        return min(self._shutdown_timeout, own + END_SECONDS)

    @property
    def _shutdown_timeout(self) -> float:
        return self.catalogue.configuration.shutdown_timeout or inf

    async def _start_all(self, by: Caller) -> None:
        await self._discovery.start(self.catalogue.files.values(), by)
        warn_of_patterns(self.catalogue, self.roles, ignore_report)

    async def finish(self) -> None:
        """Stop all services in their order; kill what is left after `end_seconds`."""
        self.pool.shut()
        if self._keeping:
            self._keeping.cancel()
        everything = list(self.keepers.values())
        seconds, most = self.end_seconds, self.order.most_for_each(everything, self._shutdown_timeout)
        stopping = asyncio.ensure_future(self._group.stop(everything, Caller(SHUTDOWN), ignore_report, most))
        if not (await asyncio.wait([stopping], timeout=seconds))[0]:
            log.warning("not all services have stopped within %g s; killing them", seconds)
            self.pool.kill()
        await self.pool.close()
        await self._past.close()
        await self.runs.close()
        if self._log_files:
            await asyncio.to_thread(self._log_files.close)
        self.audit.stopped()
        self.audit.close()
        self._storage.close()

    async def check(self) -> None:
        """Import and describe every services file, and start nothing."""
        self.catalogue.list_files(self.catalogue.find_files())
        await asyncio.gather(*map(self._discovery.discover, self.catalogue.files.values()))
        self.catalogue.check_configuration()
        self.catalogue.check_env_files()
        await self.pool.close_empty()

    # Requests.

    async def start(self, keepers: Sequence[Keeper], by: Caller, tell: Tell) -> None:
        """Start services and those that they need; report each that is up, or will not be soon."""
        starting = self.order.with_needs(keepers)
        self._stopped.remove(keeper.name for keeper in starting)
        await asyncio.gather(self._stopped.write(), self._group.start(starting, by, tell))

    async def stop(self, keepers: Sequence[Keeper], by: Caller, tell: Tell) -> None:
        """Stop services, and before them those that need them; report each that is down."""
        stopping = self.order.stopped_with(keepers)
        self._stopped.add(keeper.name for keeper in stopping)
        problem, _ = await asyncio.gather(self._stopped.write(), self._group.stop(stopping, by, tell))
        if problem:
            tell(Notice(f"*** the manager's next start will start them again: {problem}"))

    async def restart(self, keepers: Sequence[Keeper], by: Caller, tell: Tell) -> None:
        """Stop services, those that need them and those that share their hosts; start these, and all that were up."""
        affected = self.order.stopped_with(self.order.sharing(keepers))
        starting = [keeper for keeper in affected if keeper in keepers or not keeper.state.down]
        self._stopped.remove(keeper.name for keeper in starting)
        await asyncio.gather(self._stopped.write(), self._group.stop(affected, by, ignore_report))
        await self._group.start(starting, by, tell)

    async def restart_all(self, by: Caller, tell: Tell) -> None:
        async with self._changing:
            await self._discovery.restart(by, tell)

    async def load(self, file: ServicesFile, by: Caller, tell: Tell) -> None:
        """Try again a file that could not be loaded."""
        async with self._changing:
            await self._discovery.start([file], by, tell)

    async def reload(self, by: Caller, tell: Tell, dry_run: bool = False) -> list[str]:
        """Apply the changed configuration and files; a `dry_run` only reports what would change. See `Reload.apply`."""
        if dry_run:
            plan = await self._reload.plan(self.look_elsewhere)
            plan.elsewhere.drop()
            for change in plan.changes:
                tell(change)
            return plan.problems
        async with self._changing:
            return await self._reload.apply(by, tell, self.look_elsewhere)

    def forward(self, number: signal.Signals) -> None:
        """Send a signal to all programs."""
        for keeper in self.keepers.values():
            if keeper.service.is_program:
                keeper.send_signal(number)

    def wanted(self) -> list[Keeper]:
        return [keeper for keeper in self.keepers.values() if self._group.is_wanted(keeper.service)]

    # Reports.

    def happened(self, happening: Happening) -> None:
        """Record an event of the manager's own."""
        self._past.add(EventLine.of(time.time(), "", happening))

    def _happened(self, keeper: Keeper, happening: Happening) -> None:
        """An event of a service: record it, and end the manager if the service may not fail."""
        self._past.add(EventLine.of(time.time(), keeper.name, happening), keeper.life)
        log.log(logging.WARNING if keeper.state.serious else logging.DEBUG, "%s: %s", keeper.name, happening.text)
        if keeper.state is State.FAILED and keeper.name in self.catalogue.configuration.exit_on:
            self.failed = keeper.name
            self.end.set()

    def _log_line(self, slot: Slot, name: str | None, text: str) -> None:
        """A service has printed a line, or, if `name` is None, the process of a slot has."""
        names = [name] if name else slot.inhabitants
        for service in filter(None, map(self.catalogue.services.get, names)):
            others = tuple(other for other in names if other != service.name)
            now = time.time()
            line = SharedLine(now, service.name, text, others) if others else LogLine(now, service.name, text)
            service.history.lines.add(line)
            if self._log_files:
                self._log_files.add(line, service.settings.log_bytes, service.settings.log_files)
        printed.info("%s: %s", "+".join(names) or Path(slot.key).name, visible(text))
